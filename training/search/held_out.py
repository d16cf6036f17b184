"""What was chosen beside what is in force, on the hold-out: visits that nothing was chosen on, asked once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from threadpoolctl import threadpool_limits

from training.candidates.candidate import CandidateModel
from training.evaluation.bootstrap import Interval, draw_means, interval
from training.evaluation.metrics import Values
from training.model_settings import ModelSettings
from training.search.proposals import Proposals
from training.search.questions import Fold, enough


@dataclass(frozen=True, slots=True)
class Difference:
    """NDCG@20 of one placement's blend, ``chosen`` less ``in_force``, paired over visits."""

    placement: str
    questions: int
    in_force: float
    chosen: float
    difference: Interval

    @property
    def better(self) -> bool:
        return self.difference.low > 0

    @property
    def worse(self) -> bool:
        return self.difference.high < 0


@dataclass(frozen=True, slots=True)
class Judged:
    differences: Sequence[Difference]
    """Of the placements that were searched, with everything that was chosen."""
    kept: ModelSettings
    """What is in force with what proved better."""
    others: Sequence[Difference]
    """The other placements, with what would be kept: better models count there too."""

    @property
    def harmed(self) -> list[Difference]:
        """Those that are surely worse for it."""
        return [each for each in self.others if each.worse]


@dataclass(slots=True)
class HeldOut:
    """Models are fitted when they are first needed, once for each of their settings."""

    fold: Fold
    seed: int
    _fitted: dict[tuple[str, str], CandidateModel] = field(default_factory=dict)

    def judge(self, in_force: ModelSettings, chosen: ModelSettings, searched: Sequence[str]) -> Judged:
        """Keep a placement's weights, and the settings of the models in them, where they are surely better.

        A model has one set of settings for the whole shop, so the other placements are asked again with what is kept:
        where one is surely worse for it, nothing is kept.
        """
        differences = [self.difference(name, in_force, chosen) for name in searched]
        better = [each.placement for each in differences if each.better]
        used = {model for name in better for model, weight in chosen.blends[name].items() if weight > 0}
        models = {name: settings for name, settings in chosen.models.items() if name in used}
        kept = replace(
            in_force,
            models={**in_force.models, **models},
            blends={**in_force.blends, **{name: chosen.blends[name] for name in better}},
        )
        others = [name for name, asked in self.fold.asked.items() if name not in better and enough(asked)]
        again = [self.difference(name, in_force, kept) for name in others] if better else []
        judged = Judged(differences, kept, again)
        return replace(judged, kept=in_force) if judged.harmed else judged

    def difference(self, placement: str, in_force: ModelSettings, chosen: ModelSettings) -> Difference:
        asked = self.fold.asked[placement]
        values = np.stack([self._ndcg(placement, settings) for settings in (in_force, chosen)], axis=1)
        visits, cluster = np.unique([question.visit for question in asked], return_inverse=True)
        draws = draw_means(values, cluster.astype(np.int32), len(visits), self.seed)
        ours, theirs = values[:, 1].mean(), values[:, 0].mean()
        return Difference(
            placement, len(asked), float(theirs), float(ours), interval(ours - theirs, draws[:, 1] - draws[:, 0])
        )

    def _ndcg(self, placement: str, settings: ModelSettings) -> Values:
        weights = {name: weight for name, weight in settings.blends[placement].items() if weight > 0}
        with threadpool_limits(1, "blas"):
            models = {name: self._model(name, settings) for name in weights}
            return Proposals.of(self.fold.asked[placement], models).ndcg(weights)

    def _model(self, name: str, settings: ModelSettings) -> CandidateModel:
        key = name, repr(settings.values(name))
        if key not in self._fitted:
            self._fitted[key] = settings.fit(name, self.fold.earlier, self.seed)
        return self._fitted[key]
