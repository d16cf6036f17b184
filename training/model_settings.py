"""Settings of the candidate models and weights of the blends, where a shop has its own in ``shopfloor.toml``.

What can be set is what the models' settings classes have, within the bounds they give; nothing is named here again.
Checking imports every model (120 MB), so it happens where models are fitted and not wherever settings are read.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from feature_repo.errors import Misconfigured
from training.blend import BLENDS, RETURNING, blends_of
from training.bundle import Blends
from training.candidates import MODELS
from training.candidates.candidate import CandidateModel
from training.interactions import Interactions
from training.own_models import WithOwn
from training.settings import OwnModel, TrainingSettings, Value

Models = Mapping[str, type[CandidateModel]]

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What models are fitted and blended with."""

    models: Mapping[str, Any]
    """Model to its settings, of the class of its ``defaults``; a model that is not here has its defaults."""
    blends: Blends
    classes: Models = field(default_factory=lambda: MODELS)
    """Every model that can be fitted, the shop's own among them."""

    @classmethod
    def of(cls, settings: TrainingSettings) -> Self:
        """The defaults with what the shop set; Misconfigured, naming the setting and what is allowed."""
        classes = dict(WithOwn(MODELS, settings.own_models))
        models = {name: _settings_of(name, values, classes) for name, values in settings.models.items()}
        for placement, weights in settings.blends.items():
            _check_blend(placement, weights, classes)
        return cls(models, {**_with_own(settings.own_models), **settings.blends}, classes)

    def fit(self, name: str, interactions: Interactions, seed: int) -> CandidateModel:
        if name not in self.models:
            return self.classes[name].fit(interactions, seed=seed)
        configurable: Any = self.classes[name]
        fitted: CandidateModel = configurable.fit(interactions, seed=seed, settings=self.models[name])
        return fitted

    def blends_of(self, models: Collection[str]) -> dict[str, dict[str, float]]:
        """The blends with the models that are there; a placement without any is left out."""
        return blends_of(self.blends, models)

    def of_model(self, name: str) -> Any:
        """What a model is fitted with, an object of its settings class; None for a model that has no settings."""
        return self.models.get(name, defaults_of(name, self.classes))

    def values(self, name: str) -> dict[str, Value]:
        """Every setting of a model by name; none for a model that has no settings."""
        settings = self.of_model(name)
        return {} if settings is None else asdict(settings)

    def with_values(self, name: str, values: Mapping[str, Value]) -> Self:
        """The same with some settings of one model changed."""
        changed = replace(self.of_model(name), **values)
        return replace(self, models={**self.models, name: changed})


def defaults_of(name: str, classes: Models = MODELS) -> Any:
    """The settings a model is fitted with when nothing else is said; None for a model without settings."""
    return getattr(classes[name], "defaults", None)


def _with_own(own: Mapping[str, OwnModel]) -> Blends:
    """The default blends, with the shop's own models where they say that they count."""
    blends = {placement: dict(weights) for placement, weights in BLENDS.items()}
    for name, model in own.items():
        for placement, weight in model.weights.items():
            where = f"training.own_models.{name}.weights.{placement}"
            base = _known_placement(where, placement)
            blends[placement] = {**blends.get(placement, blends[base]), name: weight}
    return blends


def _settings_of(name: str, values: Mapping[str, Value], classes: Models) -> Any:
    where = f"training.models.{name}"
    if name not in classes:
        raise Misconfigured(f"setting {where}: there is no such model; known are {', '.join(classes)}")
    defaults = defaults_of(name, classes)
    fields = {} if defaults is None else asdict(defaults)
    for given in values:
        if given not in fields:
            allowed = f"known are {', '.join(fields)}" if fields else "this model has no settings"
            raise Misconfigured(f"setting {where}.{given}: there is no such setting; {allowed}")
    try:
        checked = _schema(name, defaults).model_validate(dict(values)).model_dump(include=set(values))
    except ValidationError as error:
        first = error.errors()[0]
        raise Misconfigured(f"setting {where}.{first['loc'][0]}: {first['msg']} (got {first['input']})") from error
    return None if defaults is None else replace(defaults, **checked)


def _schema(name: str, defaults: Any) -> type[BaseModel]:
    """A contract with the fields, types and bounds of a model's settings class."""
    types = {} if defaults is None else get_type_hints(type(defaults), include_extras=True)
    fields: dict[str, Any] = {field: (types[field], value) for field, value in asdict(defaults).items()}
    return create_model(name, __config__=_STRICT, **fields)


def _check_blend(placement: str, weights: Mapping[str, float], classes: Models) -> None:
    where = f"training.blends.{placement}"
    _known_placement(where, placement)
    for model in weights:
        if model not in classes:
            raise Misconfigured(f"setting {where}.{model}: there is no such model; known are {', '.join(classes)}")
    if not any(weights.values()):
        raise Misconfigured(f"setting {where}: no model has a weight above 0; leave it out to have the default weights")


def _known_placement(where: str, placement: str) -> str:
    """The placement without what ends the name of a blend for who comes back; Misconfigured when there is none."""
    bases, base = [name for name in BLENDS if not name.endswith(RETURNING)], placement.removesuffix(RETURNING)
    if base not in bases:
        known = f"{', '.join(bases)}, each also with {RETURNING} for who has not clicked in this visit yet"
        raise Misconfigured(f"setting {where}: there is no such placement; known are {known}")
    return base
