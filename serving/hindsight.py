"""Hindsight: what a model version would have answered to questions that were asked, by the very path that answers now.

History, older purchases, market, placement and length of each answer are those of then; products, prices and rules are
those of now.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from feature_repo.activity import MAX_INTERACTIONS, Activity, Interaction, Kind
from feature_repo.customer import CustomerFeatures, UserProfile
from feature_repo.errors import BadInput
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.taxonomy import StoredCategory
from serving.catalogue import Catalogue
from serving.context import CustomerReader
from serving.exposure import ExposureLine
from serving.metrics import Metrics
from serving.models import ModelSlot, ServedModel
from serving.placements import placement_named
from serving.question import MAX_LIMIT, Question
from serving.recommend import Recommender
from serving.settings import ServingSettings
from serving.trending import Trending
from training.bundle import Bundle
from training.dataset import BEGINNING
from training.logged_answers import Known, LoggedAnswer
from training.past import summed_up

ANSWERED_FROM_HISTORY: Final = ("home", "email", "buy-again", "search-empty")
"""Other placements are asked with items or categories in view, which exposures do not keep."""


class PastCustomers:
    """Online features as they were at ``now_us``, from the lake's events; of a profile what was bought.

    The profile is taken to know every purchase that had arrived; the true one was as old as its materialisation.
    """

    def __init__(self, histories: Mapping[str, Sequence[Known]]) -> None:
        self._histories = histories
        self.now_us = 0

    async def read_customer(self, user_id: str | None, anonymous_id: str | None) -> CustomerFeatures:
        key = f"u:{user_id}" if user_id is not None else f"a:{anonymous_id}"
        known = [one.interaction for one in self._histories.get(key, ()) if one.known_us < self.now_us]
        return CustomerFeatures(Activity(tuple(known[-MAX_INTERACTIONS:])), _profile(known))

    async def erase(self, keys: Iterable[str]) -> None:
        raise NotImplementedError("the past is not changed")

    def clock(self) -> datetime:
        return BEGINNING + timedelta(microseconds=self.now_us)


def _profile(known: Sequence[Interaction]) -> UserProfile:
    sums = summed_up((one.item_id, one.time_us) for one in known if one.kind == Kind.BUY)
    items, counts, last_us = zip(*sums, strict=True) if sums else ((), (), ())
    return UserProfile(bought_items=items, bought_counts=counts, bought_last_us=last_us)


class _Unlogged:
    """Nobody saw these answers."""

    def put(self, exposure: ExposureLine) -> None: ...


def catalogue_of(products: Iterable[StoredProduct], categories: Iterable[StoredCategory]) -> Catalogue:
    catalogue = Catalogue()
    for product in products:
        catalogue.apply(product)
    for category in categories:
        catalogue.taxonomy.apply(category)
    catalogue.settle()
    return catalogue


def check_placement(name: str) -> None:
    """BadInput for a placement that does not exist, or whose questions are not known from the log."""
    placement_named(name)
    if name not in ANSWERED_FROM_HISTORY:
        known = ", ".join(ANSWERED_FROM_HISTORY)
        why = "exposures do not keep the items or categories in view that it was asked with"
        raise BadInput(f"placement {name!r} cannot be estimated: {why}; those that can are {known}")


async def answers_of(
    bundle: Bundle,
    catalogue: Catalogue,
    placement: str,
    asked: Sequence[LoggedAnswer],
    histories: Mapping[str, Sequence[Known]],
    settings: ServingSettings,
) -> list[list[str]]:
    """The items that ``bundle`` would have shown, best first, for each question of ``asked``.

    Raises BadInput as ``check_placement`` does.
    """
    check_placement(placement)
    customers, slot = PastCustomers(histories), ModelSlot()
    slot.take_over(ServedModel(bundle, catalogue.align(bundle.item_index)))
    recommender = Recommender(
        customers=CustomerReader(customers, deadline_seconds=60.0),
        models=slot,
        catalogue=catalogue,
        trending=Trending(customers.clock),
        exposures=_Unlogged(),
        metrics=Metrics(),
        settings=settings.model_copy(update={"explore_share": 0.0}),
        markets=(),
        clock=customers.clock,
        new_id=lambda: "hindsight",
        seconds=lambda: 0.0,  # nobody waits: what the ranker would have said must not hang on this machine's load
    )
    answers = []
    for question in _questions(asked, placement, customers):
        answer = await recommender.recommend(question)
        answers.append([item.item_id for item in answer.items])
    return answers


def _questions(asked: Sequence[LoggedAnswer], placement: str, customers: PastCustomers) -> Iterator[Question]:
    for answer in asked:
        customers.now_us = answer.shown_us
        kind, _, name = answer.customer_key.partition(":")
        yield Question(
            placement=placement,
            user_id=name if kind == "u" else None,
            anonymous_id=name if kind == "a" else None,
            market=answer.market,
            limit=min(len(answer.items), MAX_LIMIT),
        )
