"""The service's own parts, made once from what the composition root opened."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ingestion.transports.log import EventLog
from serving.catalogue import Catalogue
from serving.catalogue_feed import CatalogueFeed, Snapshot
from serving.context import CustomerReader, CustomerStore
from serving.exposure import ExposureWriter
from serving.intake import CatalogueIntake, EventIntake
from serving.metrics import Metrics
from serving.models import ModelFollower, ModelSlot, Registry
from serving.recent_ids import RecentIds
from serving.recommend import Recommender
from serving.settings import ServingSettings
from serving.trending import Trending


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service is made of; the composition root opens and closes it."""

    log: EventLog
    features: CustomerStore
    lake: Snapshot
    registry: Registry
    settings: ServingSettings
    keys: tuple[str, ...]
    """API keys; empty: whoever reaches the service may ask."""
    markets: tuple[str, ...]
    """The markets the shop sells in; empty: any."""
    clock: Callable[[], datetime]
    """Now, with a zone."""
    new_id: Callable[[], str]
    """A new recommendation_id."""


@dataclass(frozen=True, slots=True)
class Service:
    parts: Parts
    metrics: Metrics
    catalogue: Catalogue
    feed: CatalogueFeed
    slot: ModelSlot
    follower: ModelFollower
    exposures: ExposureWriter
    events: EventIntake
    products: CatalogueIntake
    recommender: Recommender

    @classmethod
    def of(cls, parts: Parts) -> "Service":
        settings, metrics, catalogue, slot = parts.settings, Metrics(), Catalogue(), ModelSlot()
        trending = Trending(parts.clock)
        exposures = ExposureWriter(parts.log, settings.exposure_queue, metrics)
        recent = RecentIds(settings.remembered_event_ids)
        recommender = Recommender(
            customers=CustomerReader(parts.features, settings.deadline_ms / 1000),
            models=slot,
            catalogue=catalogue,
            trending=trending,
            exposures=exposures,
            metrics=metrics,
            settings=settings,
            markets=frozenset(parts.markets),
            clock=parts.clock,
            new_id=parts.new_id,
        )
        return cls(
            parts=parts,
            metrics=metrics,
            catalogue=catalogue,
            feed=CatalogueFeed(catalogue, parts.lake, parts.log, metrics),
            slot=slot,
            follower=ModelFollower(parts.registry, slot, catalogue, settings, metrics),
            exposures=exposures,
            events=EventIntake(parts.log, catalogue, trending, recent, parts.markets, parts.clock, metrics),
            products=CatalogueIntake(parts.log, parts.clock),
            recommender=recommender,
        )
