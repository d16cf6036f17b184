"""Every model by its name: the candidate models, and what is made of them. A bundle finds its classes here."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from feature_repo.activity import Kind
from training.candidates import MODELS as CANDIDATES
from training.candidates.candidate import CandidateModel
from training.evaluation.catalogue import Catalogue
from training.evaluation.task import Task
from training.folds import Objective
from training.ranked import Ranked, RankedPlain, RankedSettings

MODELS: Final[Mapping[str, type[CandidateModel]]] = {
    **CANDIDATES,
    Ranked.name: Ranked,
    RankedPlain.name: RankedPlain,
}


def fit_for(
    name: str,
    task: Task,
    seed: int,
    target: Kind | None = None,
    catalogue: Catalogue | None = None,
    models: Mapping[str, type[CandidateModel]] = MODELS,
) -> CandidateModel:
    """The model fitted on the task's training part and on what is known of its items; a ranker is told how it will
    be asked, for it learns by asking that of the training part, and nothing of what was held out.

    One thread of BLAS, as in training: with more, sums of another order give other figures on another machine.
    """
    model = models[name]
    train = task.train if catalogue is None else catalogue.describe(task.train)
    with threadpool_limits(1, "blas"):
        if not issubclass(model, Ranked):
            return model.fit(train, seed=seed)
        # Of files without times nobody knows what came before what.
        within = task.held_out and bool(np.ptp(task.train.time))
        asked = Objective(task.in_session, target=target, exclude=task.exclude, within=within)
        return model.fit(train, seed, RankedSettings(objective=asked))
