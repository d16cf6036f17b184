"""The path of one recommendation, on one page.

context -> candidates -> filters -> ranking -> rules -> exploration -> answer -> exposure

and the ladder for what is missing, each step told in ``degraded``: without features the request's own context
speaks, without time for the ranker the blended scores, without a model what is popular in the market, and at last
what is newest in the catalogue.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice, takewhile
from random import Random
from typing import Final

import numpy as np

from feature_repo.activity import Kind
from feature_repo.customer import CustomerFeatures
from feature_repo.errors import BadInput
from serving.catalogue import Catalogue
from serving.context import Context, CustomerReader, history_of
from serving.exploration import explored
from serving.exposure import Exposures, exposure_of
from serving.metrics import Metrics
from serving.models import ModelSlot, ServedModel
from serving.placements import Placement, placement_named
from serving.question import Answer, AnswerItem, Question
from serving.reasons import NEWEST, PINNED, POPULAR, Cause, because_each, reason
from serving.rules import Candidate, spread, varied
from serving.settings import ServingSettings
from serving.trending import Trending
from training.blend import propose
from training.candidates.als import Als
from training.candidates.candidate import FILTERED_DEPTH, proposed
from training.interactions import History

OVERSAMPLING: Final = 4
"""Candidates for each item wanted, so that filters and rules have something to choose from."""
RANKED_UNTIL: Final = 0.6
"""The share of the deadline after which an answer goes out in the order of the blend; the store may take 0.5."""
FILLING: Final = 0.99
"""Each item that fills a short answer up scores this much of the one above it."""


@dataclass(frozen=True, slots=True)
class Recommender:
    customers: CustomerReader
    models: ModelSlot
    catalogue: Catalogue
    trending: Trending
    exposures: Exposures
    metrics: Metrics
    settings: ServingSettings
    markets: Collection[str]
    """The markets the shop sells in; empty when it did not say."""
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    rng: Random = field(default_factory=Random)
    """What exploration draws from."""
    seconds: Callable[[], float] = time.perf_counter
    """The clock of the deadline."""

    async def recommend(self, question: Question) -> Answer:
        """An answer, whatever is down. Raises BadInput for a placement or market that does not exist."""
        now, asked_at = self.clock(), self.seconds()
        context = await self._context(question, now, asked_at)
        ranked, ladder = self._ranked(context)
        chosen, propensities = self._explored(context, self._ruled(context, ranked), ranked)
        answer = self._answer(context, chosen, ladder)
        if context.model is not None:
            context.model.drift.count(question, context.placement, context.customer, now.timestamp())
        self.exposures.put(exposure_of(question, answer, propensities, now))
        self.metrics.answered(question.placement, ladder)
        return answer

    def knows(self, item_id: str) -> bool:
        """Whether the catalogue or the model holds the item; a shop without both knows every item."""
        model = self.models.current
        if item_id in self.catalogue or (model is not None and item_id in model.bundle.item_index):
            return True
        return model is None and not len(self.catalogue)

    async def _context(self, question: Question, now: datetime, asked_at: float) -> Context:
        placement = placement_named(question.placement)
        if question.market is not None and self.markets and question.market not in self.markets:
            why = f"is no market of this shop; its markets are {', '.join(sorted(self.markets))}"
            errors = [{"field": "market", "value": question.market, "reason": why}]
            raise BadInput(f"market {question.market!r} {why}", errors=errors)
        customer: CustomerFeatures | None = CustomerFeatures()
        if question.user_id is not None or question.anonymous_id is not None:
            customer = await self.customers.read(question.user_id, question.anonymous_id)
        model = self.models.current
        bought = () if customer is None or placement.again else self._bought_for_good(customer, question.market)
        return Context(
            question=question,
            placement=placement,
            customer=customer,
            model=model,
            history=_history(question, placement, customer, model, now),
            shown=self.catalogue.shown(question.market, question.filters.category_ids),
            excluded=frozenset(chain(question.item_ids, question.filters.exclude_item_ids, bought)),
            late=self._late(model, asked_at),
        )

    def _late(self, model: ServedModel | None, asked_at: float) -> bool:
        if model is None or not model.bundle.rankers:
            return False
        return 1000 * (self.seconds() - asked_at) > RANKED_UNTIL * self.settings.deadline_ms

    def _ranked(self, context: Context) -> tuple[list[Candidate], list[str]]:
        """Candidates that passed the filters, best first, and the steps of the ladder that were needed."""
        ladder = ["no-features"] if context.customer is None else []
        ladder += ["no-model"] if context.model is None else ["no-ranker"] if context.late else []
        wanted = context.question.limit * OVERSAMPLING
        ranked = _blended(context, wanted)
        if not context.placement.fills:
            return ranked, ladder
        for step, source in ((POPULAR, self._popular), (NEWEST, self._newest)):
            missing = context.question.limit - len(ranked)
            if missing <= 0:
                break
            present = {candidate.item_id for candidate in ranked}
            more = (item_id for item_id in source(context) if item_id not in present | context.excluded)
            filling = list(islice(more, wanted if not ranked else missing))
            if filling and (step == NEWEST or not ranked):
                ladder.append(step)
            below = ranked[-1].score if ranked else 1.0
            ranked += [Candidate(item_id, below * FILLING**rank, step) for rank, item_id in enumerate(filling, 1)]
        return ranked, ladder

    def _popular(self, context: Context) -> Iterator[str]:
        """What the model, or without one the last days, found popular in the market."""
        model = context.model
        if model is not None and POPULAR in model.bundle.models:
            popular = proposed(model.bundle.models[POPULAR], context.history, FILTERED_DEPTH, context.allowed).item
            yield from model.bundle.item_ids[popular[context.shown[model.alignment.rows[popular]]]].tolist()
            return
        for item_id in self.trending.top(context.question.market):
            if context.shown[self.catalogue.row(item_id)]:
                yield item_id

    def _newest(self, context: Context) -> Iterable[str]:
        return self.catalogue.newest(context.shown, len(context.excluded) + context.question.limit * OVERSAMPLING)

    def _ruled(self, context: Context, ranked: list[Candidate]) -> list[Candidate]:
        question = context.question
        mixed = context.placement.mixes and not question.filters.category_ids
        if mixed and not context.history.in_session.any():
            ranked = self._varied(context, ranked)
        top = ranked[0].score if ranked else 1.0
        pins = [
            Candidate(item_id, top, PINNED)
            for item_id in self.settings.pins.get(question.placement, ())
            if item_id not in context.excluded and context.shown[self.catalogue.row(item_id)]
        ]
        if pins:
            pinned = {pin.item_id for pin in pins}
            ranked = pins + [candidate for candidate in ranked if candidate.item_id not in pinned]
        if not mixed:
            return ranked[: question.limit]
        share = self.settings.category_share
        return spread(ranked, question.limit, lambda item_id: self._category(item_id, question.market), share)

    def _varied(self, context: Context, ranked: list[Candidate]) -> list[Candidate]:
        """What the model proposed without its near-copies in the first places; what only fills up stays behind."""
        taste = None if context.model is None else context.model.bundle.models.get(Als.name)
        if not self.settings.variety or not isinstance(taste, Als):
            return ranked
        proposed = list(takewhile(lambda candidate: candidate.item >= 0, ranked))
        score = np.array([candidate.score for candidate in proposed], np.float32)
        alike = taste.alike(np.array([candidate.item for candidate in proposed], np.int32))
        order = varied(score, alike, context.question.limit, self.settings.variety)
        return [proposed[index] for index in order] + ranked[len(proposed) :]

    def _explored(
        self, context: Context, chosen: list[Candidate], ranked: list[Candidate]
    ) -> tuple[list[Candidate], list[float]]:
        """The chosen, two of them now and then swapped, and how likely each stands where it does."""
        share = self.settings.explore_share
        if not share:
            return chosen, [1.0] * len(chosen)
        present = {candidate.item_id for candidate in chosen}
        rest = (candidate for candidate in ranked if candidate.item_id not in present)
        reserve = list(islice(rest, context.question.limit * (OVERSAMPLING - 1)))
        pinned = sum(candidate.source == PINNED for candidate in chosen)
        return explored(chosen, reserve, pinned, share, self.rng)

    def _answer(self, context: Context, chosen: list[Candidate], ladder: list[str]) -> Answer:
        model = context.model
        return Answer(
            recommendation_id=self.new_id(),
            model_version=None if model is None else model.bundle.version,
            variant=None,
            degraded=ladder,
            notes=self._unknown_items(context.question),
            items=[
                self._shown_item(context, candidate, cause)
                for candidate, cause in zip(chosen, self._causes(context, chosen), strict=True)
            ],
        )

    def _shown_item(self, context: Context, candidate: Candidate, cause: Cause | None) -> AnswerItem:
        market = context.question.market
        why = reason(candidate.source, context.placement, cause, self._counted(context))
        offer = self.catalogue.offer(candidate.item_id, market)
        if offer is None:
            return AnswerItem(candidate.item_id, candidate.score, why)
        return AnswerItem(
            item_id=candidate.item_id,
            score=candidate.score,
            reason=why,
            name=offer.name,
            price=offer.price,
            currency=offer.currency,
            url=offer.url,
            image_url=offer.image_url,
        )

    def _counted(self, context: Context) -> str | None:
        """The question's market, where what is popular there is known and not that of the whole shop."""
        market, model = context.question.market, context.model
        if market is None:
            return None
        known = self.trending.knows(market) if model is None else market in model.bundle.markets
        return market if known else None

    def _causes(self, context: Context, chosen: list[Candidate]) -> list[Cause | None]:
        """For each candidate what speaks most for it."""
        if context.model is None:
            return [None] * len(chosen)
        bundle, history, market = context.model.bundle, context.history, context.question.market
        positions = because_each(bundle, history, [(candidate.source, candidate.item) for candidate in chosen])
        items, kinds = history.item.tolist(), history.kind.tolist()
        names = {
            position: self.catalogue.name(str(bundle.item_ids[items[position]]), market)
            for position in set(positions)
            if position is not None
        }
        return [
            None if at is None else Cause(names[at], Kind(kinds[at]), items[at] == candidate.item)
            for candidate, at in zip(chosen, positions, strict=True)
        ]

    def _bought_for_good(self, customer: CustomerFeatures, market: str | None) -> Iterator[str]:
        profile = customer.profile
        bought = {i.item_id for i in customer.activity.interactions if i.kind == Kind.BUY}
        for item_id in bought.union(profile.bought_items if profile is not None else ()):
            offer = self.catalogue.offer(item_id, market)
            if offer is not None and not offer.rebuyable:
                yield item_id

    def _unknown_items(self, question: Question) -> list[str]:
        given = (("item_ids", question.item_ids), ("recent_item_ids", question.recent_item_ids))
        return [
            f"{name}: item {item_id!r} is in neither the catalogue nor the model and was ignored"
            for name, item_ids in given
            for item_id in item_ids
            if not self.knows(item_id)
        ]

    def _category(self, item_id: str, market: str | None) -> str | None:
        offer = self.catalogue.offer(item_id, market)
        return None if offer is None else offer.category_id


def _history(
    question: Question,
    placement: Placement,
    customer: CustomerFeatures | None,
    model: ServedModel | None,
    now: datetime,
) -> History:
    """The history in the model's words; empty without a model."""
    if model is None:
        return History.of([])
    bundle = model.bundle
    market = bundle.markets.index(question.market) if question.market in bundle.markets else -1
    known = customer or CustomerFeatures()
    return history_of(question, placement, known, bundle.item_index, market, int(now.timestamp()))


def _blended(context: Context, wanted: int) -> list[Candidate]:
    """The model's candidates for the placement that the market sells now and the page may show, best first."""
    model = context.model
    if model is None:
        return []
    allowed = context.allowed
    depth = wanted if allowed is None else wanted + len(context.excluded)
    ranked = not context.late
    blended = propose(model.bundle, context.placement.name, context.history, depth, ranked, allowed)
    sold = np.flatnonzero(context.shown[model.alignment.rows[blended.item]])
    items, scores = blended.item[sold], blended.score[sold]
    columns = (model.bundle.item_ids[items], scores, sold, items)
    return [
        Candidate(item_id, score, blended.source[index], item)
        for item_id, score, index, item in zip(*(column.tolist() for column in columns), strict=True)
        if item_id not in context.excluded
    ]
