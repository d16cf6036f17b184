"""The demo shop lived through month after month under one policy: who shows what, and who comes back.

Everything is in memory and real but the customers: candidate models are fitted anew each month on what happened
before, and their blend is what the first page of each visit shows. ``shopfloor/demo`` says how customers behave.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from feature_repo.activity import Kind
from shopfloor.demo.assortment import MARKETS
from shopfloor.demo.catalogue import Floats, Ints
from shopfloor.demo.shop import DemoShop
from shopfloor.demo.visits import MAX_VIEWS, SHOWN, DayOfVisits, visits
from training.blend import DEPTH
from training.candidates import MODELS
from training.candidates.candidate import CandidateModel, Candidates
from training.fusion import blended
from training.interactions import History, Interactions
from training.past import remembered

NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
LENGTH: Final = 10
MONTH: Final = 30
WARM_UP: Final = 60
"""Days on which nothing is shown, the same for all policies: what the first models learn from."""
STEP_SECONDS: Final = 60

Weights: TypeAlias = Mapping[str, float]
Places: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Lists:
    """What a policy showed on a day to v customers: ``item`` int64 [v, LENGTH], -1 where a list is shorter, and how
    each model spoke for each item, ``score`` float32 [v, LENGTH, models], 1 for its best."""

    day: int
    item: Ints
    score: npt.NDArray[np.float32]


@dataclass(slots=True)
class Months:
    """What happened so far, by days counted from the first."""

    shop: DemoShop
    days: list[tuple[int, DayOfVisits]] = field(default_factory=list)
    lists: dict[int, Lists] = field(default_factory=dict)
    """Day to what was shown on it."""
    weights: Weights = field(default_factory=dict)
    """Of this month."""
    past: defaultdict[int, list[Ints]] = field(default_factory=lambda: defaultdict(list))
    """Customer to visits, each int64 [3, r]: item, kind, time."""

    def add(self, number: int, day: DayOfVisits) -> None:
        self.days.append((number, day))
        for row, customer in enumerate(day.customer.tolist()):
            self.past[customer].append(_rows(day, row))

    def interactions(self) -> Interactions:
        """All of it, as the models learn from it; a visit is a session."""
        told = [(customer, visit) for customer, known in self.past.items() for visit in known]
        size = [visit.shape[1] for _, visit in told]
        user = np.repeat([customer for customer, _ in told], size).astype(np.int32)
        item, kind, time = np.concatenate([visit for _, visit in told], axis=1)
        return Interactions(
            user=user,
            session=np.repeat(np.arange(len(told)), size).astype(np.int32),
            item=item.astype(np.int32),
            kind=kind.astype(np.int8),
            time=time,
            market=self.shop.population.market[user].astype(np.int32),
            item_ids=np.array(self.shop.catalogue.item_ids),
            markets=tuple(place.market for place in MARKETS),
            n_users=len(self.shop.population),
            n_sessions=len(told),
        )

    def history(self, customer: int, now: int) -> History:
        """What online features would know when the customer comes, before the first click."""
        known = self.past.get(customer)
        rows = np.concatenate(known, axis=1) if known else np.empty((3, 0), np.int64)
        item, kind, time = remembered(rows[0].astype(np.int32), rows[1].astype(np.int8), rows[2])
        market = int(self.shop.population.market[customer])
        return History(item, kind, time, np.zeros(len(item), np.bool_), market, now)


Learn: TypeAlias = Callable[[Months, int], Weights]
"""The weights from some day on, by what happened before it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which models fill the first page and how much each counts; without any, nothing is shown.

    ``learn`` sets the weights anew each month, ``weights`` are those of the first.
    """

    name: str
    weights: Weights
    learn: Learn | None = None


def simulate(shop: DemoShop, policy: Policy, seed: int) -> Months:
    """Let the shop's whole time pass under the policy. The same seed gives all policies the same luck."""
    months = Months(shop)
    shelf = _Shelf(months, policy, seed)
    for day in visits(shop.behaviour, np.random.default_rng([seed, 3]), NOW, shelf.showing):
        months.add(shop.behaviour.days - (NOW.date() - day.midnight.date()).days, day)
    return months


@dataclass(slots=True)
class _Shelf:
    """Fills the first page, with models that are fitted at the begin of each month."""

    months: Months
    policy: Policy
    seed: int
    month: int = -1
    models: dict[str, CandidateModel] = field(default_factory=dict)

    def showing(self, customers: Ints, start: Floats, day: int, midnight: datetime) -> Ints:
        shown = np.full((len(customers), LENGTH), -1, dtype=np.int64)
        if day < WARM_UP or not self.policy.weights:
            return shown
        if (day - WARM_UP) // MONTH > self.month:
            self._new_month(day)
        score = np.zeros((len(customers), LENGTH, len(self.policy.weights)), np.float32)
        begin = int(midnight.timestamp())
        for row, customer in enumerate(customers.tolist()):
            history = self.months.history(customer, begin + int(start[row]))
            proposals = {name: model.propose(history, DEPTH) for name, model in self.models.items()}
            items = self._allowed(customer, history, blended(proposals, self.months.weights, DEPTH).item)
            shown[row, : len(items)] = items
            score[row, : len(items)] = _scores(proposals, self.policy.weights, items)
        self.months.lists[day] = Lists(day, shown, score)
        return shown

    def _new_month(self, day: int) -> None:
        self.month = (day - WARM_UP) // MONTH
        known = self.months.interactions()
        self.models = {name: MODELS[name].fit(known, seed=self.seed) for name in self.policy.weights}
        learn = self.policy.learn
        self.months.weights = self.policy.weights if learn is None or self.month == 0 else learn(self.months, day)

    def _allowed(self, customer: int, history: History, items: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """As in serving: what the market sells, without what was bought for good."""
        goods = self.months.shop.catalogue
        bought = history.item[history.kind == Kind.BUY]
        for_good = bought[self.months.shop.behaviour.gap[goods.leaf[bought]] == 0]
        sold = goods.sold[items, self.months.shop.population.market[customer]]
        allowed: npt.NDArray[np.int32] = items[sold & ~np.isin(items, for_good)]
        return allowed[:LENGTH]


def _scores(
    proposals: Mapping[str, Candidates], names: Weights, items: npt.NDArray[np.int32]
) -> npt.NDArray[np.float32]:
    """[items, models] each model's score of each item as the blend sees it, 0 where it did not propose it."""
    scores = np.zeros((len(items), len(names)), np.float32)
    for column, name in enumerate(names):
        found = proposals[name]
        if len(found.item):
            match = items[:, None] == found.item
            scores[:, column] = np.where(match.any(axis=1), found.score[match.argmax(axis=1)] / found.score[0], 0)
    return scores


def _rows(day: DayOfVisits, row: int) -> Ints:
    """A visit's views, carts and purchases: item, kind and time, int64 [3, r]."""
    viewed = day.item[row][day.item[row] >= 0]
    carted = np.flatnonzero(day.carted[row])
    bought = np.unique(day.item[row, carted]) if day.bought[row] else np.empty(0, np.int64)
    steps = np.arange(len(viewed)) * STEP_SECONDS
    item = np.concatenate((viewed, day.item[row, carted], bought))
    kind = np.repeat([int(Kind.VIEW), int(Kind.CART), int(Kind.BUY)], [len(viewed), len(carted), len(bought)])
    seconds = np.concatenate((steps, carted * STEP_SECONDS + 20, np.full(len(bought), MAX_VIEWS * STEP_SECONDS)))
    time = int(day.midnight.timestamp() + day.start[row]) + seconds
    order = np.argsort(time, kind="stable")
    return np.stack((item, kind, time))[:, order].astype(np.int64)


def taken_places(months: Months, number: int, day: DayOfVisits) -> tuple[Places, Places]:
    """Of the lists shown on a day: the places that were clicked and those then bought, bool [v, LENGTH] each."""
    shown = months.lists[number].item
    clicked = (shown == day.item[:, :1]) & (day.came_from[:, :1] == SHOWN) & (shown >= 0)
    bought = np.zeros_like(clicked)
    for row in np.flatnonzero(clicked.any(axis=1) & day.bought).tolist():
        bought[row] = clicked[row] & np.isin(shown[row], day.item[row, day.carted[row]])
    return clicked, bought
