"""Figures of a search, logged beside its series: how it went on, and which settings mattered."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from training.search.studies import completed

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from optuna import Study

BLUE: Final = "#4477aa"
FEWEST_TRIALS: Final = 10
"""Below this, importance would be made of chance."""
MOST_TRIALS: Final = 300
"""Three thousand would take two minutes, these five seconds; later trials only gather around the best ones."""


def history_figure(title: str, scores: Sequence[float], in_force: float) -> "Figure":
    """Each trial's score, the best so far, and what the settings in force reach."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    steps = np.arange(1, len(scores) + 1)
    axes.plot(steps, scores, ".", color=BLUE, alpha=0.5, label="trial")
    if len(scores):
        axes.step(steps, np.maximum.accumulate(scores), where="post", color=BLUE, label="best so far")
    axes.axhline(in_force, color="#bb5566", linestyle="--", label="in force")
    axes.set_title(title)
    axes.set_xlabel("trial")
    axes.set_ylabel("NDCG@20, inner folds")
    axes.legend(loc="lower right")
    return figure


def importance_figure(title: str, importance: Mapping[str, float]) -> "Figure":
    """How much of the spread of the scores each setting accounts for, the largest on top."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.6 + 0.35 * len(importance)), layout="constrained")
    axes = figure.subplots()
    names = sorted(importance, key=lambda name: importance[name])
    axes.barh(names, [importance[name] for name in names], color=BLUE, height=0.6)
    axes.set_xlim(0, 1)
    axes.set_title(title)
    return figure


def importance_of(study: "Study", seed: int) -> dict[str, float]:
    """Setting to its share of the variance of the scores, by fANOVA (Hutter et al., ICML 2014); empty where there are
    too few trials to tell, or all scored alike."""
    from optuna import create_study
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    first = completed(study)[:MOST_TRIALS]
    if len(first) < FEWEST_TRIALS:
        return {}
    looked_at = create_study(direction="maximize")
    looked_at.add_trials(first)
    try:
        return get_param_importances(looked_at, evaluator=FanovaImportanceEvaluator(seed=seed))
    except (RuntimeError, ValueError):  # trials without variance, or with one setting only
        return {}
