"""A shop's own candidate models: classes that its settings name, beside those of the program.

A bundle names models and holds no code; whose code a name stands for is said by the settings alone.
"""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from feature_repo.errors import Misconfigured
from training.candidates.candidate import CandidateModel
from training.models import MODELS
from training.settings import OwnModel

PROTOCOL: Final = ("fit", "propose", "because", "save", "load")


@dataclass(frozen=True, slots=True)
class WithOwn(Mapping[str, type[CandidateModel]]):
    """Models by name, and the shop's own after them.

    One of those is imported when it is asked for, so that whoever only needs to know the names, as a rollback does,
    works with a broken file too. Misconfigured, naming the setting, when it cannot be imported or is no model.
    """

    known: Mapping[str, type[CandidateModel]]
    own: Mapping[str, OwnModel]

    def __post_init__(self) -> None:
        for name in self.own:
            if name in MODELS:
                raise Misconfigured(f"setting training.own_models.{name}: the program has a model of this name already")

    def __getitem__(self, name: str) -> type[CandidateModel]:
        return self.known[name] if name in self.known else _imported(name, self.own[name].path)

    def __iter__(self) -> Iterator[str]:
        yield from self.known
        yield from self.own

    def __len__(self) -> int:
        return len(self.known) + len(self.own)

    def __contains__(self, name: object) -> bool:
        return name in self.known or name in self.own


def _imported(name: str, path: str) -> type[CandidateModel]:
    where = f"setting training.own_models.{name}"
    module, _, class_name = path.partition(":")
    try:
        model: type[CandidateModel] = getattr(importlib.import_module(module), class_name)
    except Exception as error:  # a shop's module may fail in any way
        raise Misconfigured(
            f"{where}: {path} cannot be imported: {type(error).__name__}: {error}; "
            "the module has to be installed, or to be a file beside shopfloor.toml"
        ) from error
    lacking = [part for part in PROTOCOL if not callable(getattr(model, part, None))]
    if lacking:
        raise Misconfigured(
            f"{where}: {path} is no candidate model, for it lacks {', '.join(lacking)}; "
            "training/candidates/candidate.py says what one has"
        )
    if getattr(model, "name", None) != name:
        raise Misconfigured(f"{where}: {path} calls itself {getattr(model, 'name', None)!r}; give both the same name")
    return model
