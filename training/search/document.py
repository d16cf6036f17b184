"""What was found, as the part of ``shopfloor.toml`` that holds it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from training.blend import BLENDS
from training.model_settings import ModelSettings
from training.search.held_out import Difference
from training.settings import Value

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def changes(settings: ModelSettings) -> tuple[dict[str, dict[str, Value]], dict[str, dict[str, float]]]:
    """Models and blends that differ from the defaults of the program, each model with the settings that do."""
    defaults = replace(settings, models={})
    models = {
        name: {field: value for field, value in settings.values(name).items() if value != defaults.values(name)[field]}
        for name in settings.models
    }
    blends = {name: dict(weights) for name, weights in settings.blends.items() if weights != BLENDS.get(name)}
    return {name: values for name, values in models.items() if values}, blends


def as_toml(settings: ModelSettings, differences: Sequence[Difference], made: str) -> str:
    """Every ``[training.models.…]`` and ``[training.blends.…]`` of the shop, in place of those it has."""
    models, blends = changes(settings)
    lines = [f"# {made}", "# In place of all [training.models.…] and [training.blends.…] that shopfloor.toml has."]
    for each in differences:
        found = each.difference
        lines.append(
            f"# {each.name}: NDCG@20 {each.in_force:.4f} in force, {each.chosen:.4f} here, "
            f"difference {found.value:+.4f} ({found.low:+.4f} … {found.high:+.4f}), {each.questions:,} questions"
        )
    for name, values in models.items():
        lines += _table(("training", "models", name), values)
    for name, weights in blends.items():
        lines += _table(("training", "blends", name), weights)
    return "\n".join(lines) + "\n"


def _table(path: Sequence[str], values: Mapping[str, Value]) -> Iterator[str]:
    yield ""
    yield f"[{'.'.join(_key(part) for part in path)}]"
    for name, value in values.items():
        yield f"{_key(name)} = {str(value).lower() if isinstance(value, bool) else repr(value)}"


def _key(part: str) -> str:
    return part if _BARE.fullmatch(part) else json.dumps(part)
