"""Next steps: what customers went to within a visit, as questions asked just before they did."""

from collections.abc import Sequence

import numpy as np

from training.folds import Replayed
from training.holdout import Question
from training.interactions import Interactions
from training.past import Past


def next_steps(interactions: Interactions, cut: int, until: int, most: int, seed: int) -> list[Replayed]:
    """At most ``most`` steps, all but the first, of visits that began from ``cut`` to before ``until``.

    Times are seconds since 1970. What was done within one second of a visit is one step. A step after a pause of more
    than half an hour is none: whoever is asked then is no visitor any more.
    """
    opens = np.diff(interactions.session, prepend=-1) != 0
    step = np.flatnonzero(opens | (np.diff(interactions.time, prepend=-1) != 0))
    end = np.append(step[1:], len(interactions))
    began = interactions.time[np.flatnonzero(opens)][np.cumsum(opens)[step] - 1]
    asked = np.flatnonzero(~opens[step] & (began >= cut) & (began < until))
    past = Past.of(interactions)
    questions = []
    for number in np.sort(np.random.default_rng(seed).permutation(asked)[:most]).tolist():
        at = step[number]
        history = past.at(int(interactions.user[at]), int(interactions.time[at]), int(interactions.market[at]))
        if history.in_session.any():
            questions.append(Replayed(history, np.unique(interactions.item[at : end[number]])))
    return questions


def steps_of(questions: Sequence[Question]) -> list[Replayed]:
    """The same of questions that ask for one item each, those of a visit one after another by time: what was gone to in
    one second is right together."""
    found: list[Replayed] = []
    asked: tuple[int, int] | None = None
    for each in questions:
        moment = each.session, each.history.now
        if moment == asked:
            found[-1] = found[-1]._replace(relevant=np.union1d(found[-1].relevant, [each.item]))
        elif each.history.in_session.any():
            found.append(Replayed(each.history, np.array([each.item])))
            asked = moment
    return found
