"""How models are trained and compared."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Value = bool | int | float
"""Of one setting of a model."""
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class GateSettings(BaseModel):
    """What a challenger has to keep to, beside not being worse than the champion."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    slice_loss: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """A slice that is surely worse by more than this, relative to the champion, is a reason to refuse."""
    least_coverage: Annotated[float, Field(ge=0, le=1)] = 0.95
    """Items that are shown at all, relative to the champion's."""
    most_proposal_ms: Annotated[float, Field(gt=0)] = 25.0
    """Median time for the candidates of one question, on the machine that trained."""
    most_bundle_mb: Annotated[float, Field(gt=0)] = 2000.0
    """Size of the bundle, which is mapped into memory where it serves."""
    most_drop: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of interactions that may be missing, relative to the champion's: of those a day and of all."""
    most_shift: Annotated[float, Field(gt=0)] = 0.25
    """Population stability index, of event kinds, markets and item popularity, up to which data count as the same."""


class OwnModel(BaseModel):
    """A candidate model of the shop's own, see ``training/own_models.py``."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    """``module:Class``; the module is installed, or a file beside ``shopfloor.toml``."""
    weights: Mapping[str, Weight] = {}
    """Placement to its weight there, beside the models of the default blend."""


class TrainingSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    seed: int = 42
    window_days: Annotated[float, Field(gt=0)] | None = None
    """Learn from this many days before the newest interaction; absent: from everything."""
    most_events_a_day: Annotated[int, Field(ge=1)] = 1000
    """A customer with more events in one day is taken for a bot and left out."""
    holdout_share: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    """Share of sessions, the latest ones, on which a new version is compared."""
    holdout_questions: Annotated[int, Field(ge=1)] = 3000
    """At most about this many next clicks are asked for in the comparison."""
    ranker_questions: Annotated[int, Field(ge=0)] = 3000
    """About this many next clicks, and as many next orders, are replayed for the rankers to learn from; 0: none."""
    warm_start: bool = True
    """Models whose learning begins with chance go on from the champion's where they can; false: each is fitted anew."""
    margin: Annotated[float, Field(ge=0)] = 0.01
    """Promotion is refused when the interval of the difference to the champion reaches lower than minus this."""
    gate: GateSettings = GateSettings()
    own_models: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], OwnModel] = {}
    """Name to the shop's own model. Serving reads it too: a bundle names its models and holds no code."""
    models: Mapping[str, Mapping[str, Value]] = {}
    """Model to its settings by name; what is not named keeps the model's default (``training/model_settings.py``)."""
    blends: Mapping[str, Mapping[str, Weight]] = {}
    """Placement to the weights of its models, all of them; a placement not named keeps the defaults of
    ``training/blend.py``."""
