"""Whether this shop's visitors look at the same item twice in a row.

Where they do (pages are reloaded, or every click is counted) the item in view is a good guess for the next click;
where the data hold no such repeats it is a wasted place.
"""

from typing import Final

import numpy as np

from feature_repo.activity import Kind
from training.interactions import Interactions

COMMON: Final = 0.01


def reloads_are_common(interactions: Interactions) -> bool:
    """Whether at least 1 % of the views within a session repeat the item before them."""
    within = interactions.session[1:] == interactions.session[:-1]
    views = within & (interactions.kind[1:] == Kind.VIEW)
    repeats = views & (interactions.item[1:] == interactions.item[:-1])
    return int(np.count_nonzero(repeats)) >= max(COMMON * int(np.count_nonzero(views)), 1)
