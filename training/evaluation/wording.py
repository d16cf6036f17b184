"""What the figures mean, in words for people who train no models."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from training.evaluation.evaluation import Row
from training.evaluation.task import Metric


@dataclass(frozen=True, slots=True)
class Wording:
    """``meaning`` may name ``{k}``, the length of the list; ``share`` is written in per cent, else as a number."""

    title: str
    meaning: str
    share: bool = True
    unit: str = ""

    def on_axis(self, value: float) -> str:
        return f"{100 * value:.4g} %" if self.share else f"{value:.3g}{self.unit}"

    def interval(self, row: Row) -> str:
        if self.share:
            return f"{100 * row.value:.1f} % ({100 * row.low:.1f} to {100 * row.high:.1f})"
        return f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})"

    def gain(self, row: Row) -> str:
        """A difference with its interval; of shares, in percentage points."""
        if self.share:
            return f"{100 * row.value:+.1f} points ({100 * row.low:+.1f} to {100 * row.high:+.1f})"
        return f"{row.value:+.3f} ({row.low:+.3f} to {row.high:+.3f})"


WORDINGS: Final[Mapping[Metric, Wording]] = {
    Metric.HR: Wording("Found", "In how many of 100 cases the item the customer went to next was among the {k} shown."),
    Metric.MRR: Wording(
        "Found near the top",
        "1 if the right item always stood first, 0.5 if always second, 0 if it was never among the {k} shown.",
        share=False,
    ),
    Metric.RECALL: Wording("Found", "Of the items a customer took next, the share that was among the {k} shown."),
    Metric.NDCG: Wording(
        "Found near the top",
        "1 if all right items stood before all others, 0 if none was among the {k} shown; upper places count more.",
        share=False,
    ),
    Metric.REVENUE: Wording(
        "Money reached",
        "Of the price of all items customers took next, the share whose items were among the {k} shown.",
    ),
    Metric.COVERAGE: Wording(
        "Catalogue shown",
        "The share of all items that was shown to anyone. A low share leaves most of the shop unseen.",
    ),
    Metric.NOVELTY: Wording(
        "Novelty",
        "How little known the shown items are: 1 bit for an item that half of all customers touched, 10 bits for one "
        "that one in a thousand touched.",
        share=False,
        unit=" bits",
    ),
    Metric.DIVERSITY: Wording(
        "Variety within a list",
        "How unlike each other the items of one list are: 0 if they are all of a kind, 1 if no two have anything in "
        "common.",
        share=False,
    ),
    Metric.TOP_SHARE: Wording(
        "Places for bestsellers", "The share of all shown places that went to the most popular 1 % of items."
    ),
}

QUESTIONS: Final[Mapping[str, str]] = {
    "sessions": "After each click of a visit, the model was asked which item the customer would go to next.",
    "users": "For each customer, the model was asked which items they would take next, given all they had done before.",
    "baskets": "For each customer, the model was asked what would be in their next basket, given all earlier ones.",
}
"""By protocol."""

REMOVED: Final[Mapping[str, str]] = {
    "none": "Items that the customer already knew could be shown again.",
    "seen": "Items that the customer had already touched were not shown, and count as missed where they were right.",
    "bought": "Items that the customer had already bought were not shown, and count as missed where they were right.",
}
"""By what is excluded."""

SLICES: Final[Mapping[str, tuple[str, str]]] = {
    "customer": ("New and known customers", "New customers are those of whom the training data know nothing."),
    "item": (
        "Bestsellers and rare items",
        "By the item that was right. Head: the most popular items, which together have half of all interactions; "
        "torso: those up to 80 %; tail: the rest; new: items that the training data do not have, so that no model can "
        "have learnt them from clicks.",
    ),
    "market": ("Markets", "By the customer's market."),
    "session": ("Clicks of the visit so far", "How many clicks the model could see of the visit."),
    "history": ("Known interactions of the customer", "How many earlier interactions the model could see."),
    "category": (
        "Product lines",
        "By the product line of the item that was right. Items of which no line is known are left out.",
    ),
}
"""By the kind of slice: its heading and what it is."""

LIMITS: Final = (
    "This replays the past. Customers saw whatever the shop showed them then; an item they would have liked but never "
    "saw counts as wrong. The figures compare models; they do not foretell a click rate. Only an experiment does.",
    "An interval tells how much chance there is in whom was asked. It does not tell what another season, a sale or a "
    "changed catalogue would do.",
    "About one interval in twenty misses the truth by chance. Who looks at many slices will see one that seems worse "
    "and is not.",
    "Every item of the training data could be shown, whether in stock or not; the shop's rules and placements were "
    "not applied.",
)


def moment(seconds: int) -> str:
    """A time since 1970, UTC, to the minute."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
