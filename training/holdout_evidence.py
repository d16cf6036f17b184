"""Evidence from the hold-out: how the challenger's recipe did beside the champion's, slice by slice.

Both recipes were fitted on the same earlier part and asked the same questions.
"""

from collections.abc import Iterator
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from training.data_checks import DataProfile, DataShift
from training.evaluation.catalogue import Catalogue
from training.evaluation.slices import CLASSES, SESSION_LENGTHS, popularity_classes
from training.evidence import Evidence, PartFigure, SliceFigure
from training.holdout import Answers, Comparison, K, Question, metrics_of
from training.interactions import Interactions, Ints

LEAST_SESSIONS: Final = 30
"""A slice with fewer sessions says nothing: the interval's normal distribution needs about as many."""
ERROR: Final = 0.05
"""How often, at most, a gate over all slices together may see a loss where there is none (Bonferroni)."""
MOST_PARTS: Final = 8
"""So many markets and product lines, those asked about most, are slices of their own."""

Mask = npt.NDArray[np.bool_]


def gathered(
    comparison: Comparison,
    questions: list[Question],
    earlier: Interactions,
    data: DataProfile,
    shift: DataShift | None,
) -> Evidence:
    """The evidence of a comparison whose recipes ``home`` and, where there is one, ``champion`` were fitted on
    ``earlier``."""
    home, champion = comparison.answers.get("home"), comparison.answers.get("champion")
    if home is None:
        return Evidence(questions=0, data=data, shift=shift)
    return Evidence(
        questions=comparison.questions,
        slices=() if champion is None else slice_figures(questions, earlier, champion, home),
        parts=part_figures(questions, earlier, home),
        coverage=_coverage(home, earlier),
        champion_coverage=None if champion is None else _coverage(champion, earlier),
        proposal_ms=home.proposal_ms,
        data=data,
        shift=shift,
    )


def part_figures(questions: list[Question], earlier: Interactions, answers: Answers) -> tuple[PartFigure, ...]:
    """HR and MRR in each slice that has any question."""
    session = np.array([question.session for question in questions], np.int32)
    figures = []
    for name, asked in _slices(questions, earlier):
        if asked.any():
            hr, mrr = (float(values.mean()) for values in metrics_of(answers.place[asked]))
            sessions = len(np.unique(session[asked]))
            figures.append(PartFigure(slice=name, questions=int(asked.sum()), sessions=sessions, hr=hr, mrr=mrr))
    return tuple(figures)


def slice_figures(
    questions: list[Question], earlier: Interactions, champion: Answers, challenger: Answers
) -> tuple[SliceFigure, ...]:
    """HR and MRR of both in each slice that has enough sessions and in which the champion finds anything."""
    session = np.array([question.session for question in questions], np.int32)
    parts = [
        (name, asked)
        for name, asked in _slices(questions, earlier)
        if len(np.unique(session[asked])) >= LEAST_SESSIONS and (champion.place[asked] > 0).any()
    ]
    metrics = (f"hr_{K}", f"mrr_{K}")
    z = NormalDist().inv_cdf(1 - ERROR / (2 * max(len(parts) * len(metrics), 1)))
    figures = []
    for name, asked in parts:
        pairs = zip(metrics_of(champion.place[asked]), metrics_of(challenger.place[asked]), strict=True)
        for metric, (theirs, ours) in zip(metrics, pairs, strict=True):
            difference, error = _relative_difference(ours, theirs, session[asked])
            figures.append(
                SliceFigure(
                    slice=name,
                    metric=metric,
                    questions=len(ours),
                    sessions=len(np.unique(session[asked])),
                    champion=theirs.mean(),
                    challenger=ours.mean(),
                    difference=difference,
                    low=difference - z * error,
                    high=difference + z * error,
                )
            )
    return tuple(figures)


def _relative_difference(
    ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64], cluster: Ints
) -> tuple[float, float]:
    """The ratio of sums (ours - theirs) / theirs and its standard error over clusters (linearised, Cochran 1977)."""
    _, number = np.unique(cluster, return_inverse=True)
    gained, base = np.bincount(number, ours - theirs), np.bincount(number, theirs)
    ratio = gained.sum() / base.sum()
    n = len(gained)
    residual = gained - ratio * base
    return float(ratio), float(np.sqrt(n / (n - 1) * (residual**2).sum()) / base.sum())


def _slices(questions: list[Question], earlier: Interactions) -> Iterator[tuple[str, Mask]]:
    """The parts of the questions that the gate looks at, each with the questions it holds, bool [q]."""
    new = np.array([question.history.in_session.all() for question in questions])
    yield "customer=new", new
    yield "customer=known", ~new
    popularity = popularity_classes(earlier)[[question.item for question in questions]]
    for number, name in enumerate(CLASSES):
        yield f"item={name}", popularity == number
    market = np.array([question.history.market for question in questions])
    for number in _largest(market):
        yield f"market={earlier.markets[number]}", market == number
    catalogue = Catalogue.of(earlier)
    if catalogue is not None:
        line = catalogue.line[[question.item for question in questions]]
        for number in _largest(line):
            yield f"line={catalogue.lines[number]}", line == number
    clicks = np.array([question.history.in_session.sum() for question in questions])
    step = np.searchsorted([least for least, _ in SESSION_LENGTHS], clicks, side="right") - 1
    yield "session=first click", clicks == 0
    for number, (_, name) in enumerate(SESSION_LENGTHS):
        yield f"session={name}", (clicks > 0) & (step == number)


def _largest(part: npt.NDArray[np.integer]) -> list[int]:
    """The parts with most questions, the largest first; -1 is none."""
    known, counts = np.unique(part[part >= 0], return_counts=True)
    largest: list[int] = known[np.argsort(-counts, kind="stable")][:MOST_PARTS].tolist()
    return largest


def _coverage(answers: Answers, earlier: Interactions) -> float:
    return len(np.unique(answers.shown[answers.shown >= 0])) / max(earlier.n_items, 1)
