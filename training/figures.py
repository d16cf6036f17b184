"""Figures that a training logs beside its metrics."""

from typing import TYPE_CHECKING

import numpy as np

from training.holdout import Comparison
from training.interactions import Interactions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DAY_SECONDS = 86_400


def comparison_figure(comparison: Comparison) -> "Figure":
    """Each recipe's figures on the hold-out, with their 95 % intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    shown = {name: f for name, f in comparison.figures.items() if not name.startswith("over_")}
    places = np.arange(len(shown))
    values = [f.value for f in shown.values()]
    spread = [[f.value - f.low for f in shown.values()], [f.high - f.value for f in shown.values()]]
    axes.barh(places, values, xerr=spread if shown else None, color="#4477aa", height=0.6)
    axes.set_yticks(places, list(shown))
    axes.set_title(
        f"Next click (HR, MRR) and next order (recall, NDCG) among 20, {comparison.questions:,} clicks, 95 % intervals"
    )
    return figure


def traffic_figure(interactions: Interactions) -> "Figure":
    """Interactions a day: gaps and jumps in the data of a version show here."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    days, counts = np.unique(interactions.time // DAY_SECONDS, return_counts=True)
    axes.plot(days.astype("datetime64[D]"), counts, color="#4477aa")
    axes.set_title("Interactions a day (UTC)")
    axes.set_ylim(bottom=0)
    return figure
