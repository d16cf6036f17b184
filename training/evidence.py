"""The evidence: what a training measured that the gate judges, kept in the manifest so that promoting is quick."""

from pydantic import BaseModel, ConfigDict

from training.data_checks import DataProfile, DataShift


class SliceFigure(BaseModel):
    """One metric of one slice; ``low`` to ``high`` holds the relative difference, 95 % sure for all slices together."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    slice: str
    """``kind=part``, such as ``item=tail``."""
    metric: str
    questions: int
    sessions: int
    champion: float
    challenger: float
    difference: float
    """Relative to the champion's: -0.1 is a tenth worse."""
    low: float
    high: float


class PartFigure(BaseModel):
    """How well the version itself does in one slice, whether or not there was a champion to compare it with."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    slice: str
    questions: int
    sessions: int
    hr: float
    mrr: float
    """Among the first 20."""


class Evidence(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    questions: int
    slices: tuple[SliceFigure, ...] = ()
    """Against the champion; empty where there was none."""
    parts: tuple[PartFigure, ...] = ()
    """The version alone in each slice that was asked about, however seldom."""
    coverage: float | None = None
    """Share of the items that stand in any of the answers; None without questions."""
    champion_coverage: float | None = None
    proposal_ms: float | None = None
    """Median time of one thread for the candidates of one question."""
    data: DataProfile
    shift: DataShift | None = None
    """How the data differ from the champion's; None where there was no champion, or one that kept no profile."""

    def metrics(self) -> dict[str, float]:
        """What MLflow plots over the versions, by name."""
        figures = {"home.coverage": self.coverage, "home.proposal_ms": self.proposal_ms}
        if self.shift is not None:
            figures |= {"data.drop": self.shift.drop, "data.fewer": self.shift.fewer}
            figures |= {f"data.psi.{name}": psi for name, psi in self.shift.psi.items()}
        return {name: value for name, value in figures.items() if value is not None}
