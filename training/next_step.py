"""Next steps: what customers went to within a visit, as questions asked just before they did."""

import numpy as np

from training.folds import Replayed
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
