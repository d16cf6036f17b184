"""The one place where Feast's objects are made: entities, sources, feature views and feature services.

Feast tells objects apart by identity, and imports every module below its repo; hence one function and one caller for
each process.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, ValueType
from feast.data_format import ParquetFormat
from feast.types import Array, Float64, Int64, String

from feature_repo.layout import (
    CUSTOMER_KEY,
    ITEM_CATALOG,
    ITEM_ID,
    ITEM_STATS,
    USER_ACTIVITY,
    USER_PROFILE,
    Type,
    View,
)
from feature_repo.tables import table_path

EVENT_TIMESTAMP: Final = "event_timestamp"
CREATED_TIMESTAMP: Final = "created_timestamp"
ALWAYS: Final = timedelta(0)
"""Feast's word for a row that never grows too old for a training set."""

_TYPES: Final[dict[Type, Any]] = {
    Type.STRING: String,
    Type.INT: Int64,
    Type.FLOAT: Float64,
    Type.STRINGS: Array(String),
    Type.INTS: Array(Int64),
    Type.FLOATS: Array(Float64),
}


@dataclass(frozen=True, slots=True)
class Definitions:
    """Everything that ``feast apply`` registers; ``views`` by name."""

    entities: tuple[Entity, ...]
    sources: tuple[PushSource, ...]
    views: dict[str, FeatureView]
    services: tuple[FeatureService, ...]

    def objects(self) -> list[Any]:
        return [*self.entities, *self.sources, *self.views.values(), *self.services]


def definitions(features_folder: Path) -> Definitions:
    """Feast's objects over the Parquet tables below ``features_folder`` (made absolute; it need not exist yet)."""
    customer = Entity(name="customer", join_keys=[CUSTOMER_KEY], value_type=ValueType.STRING)
    item = Entity(name="item", join_keys=[ITEM_ID], value_type=ValueType.STRING)
    pushed = PushSource(name="user_activity_push", batch_source=_source(features_folder, USER_ACTIVITY))
    activity = _view(USER_ACTIVITY, customer, pushed)
    profile = _view(USER_PROFILE, customer, _source(features_folder, USER_PROFILE))
    stats = _view(ITEM_STATS, item, _source(features_folder, ITEM_STATS))
    catalog = _view(ITEM_CATALOG, item, _source(features_folder, ITEM_CATALOG))
    return Definitions(
        entities=(customer, item),
        sources=(pushed,),
        views={view.name: view for view in (activity, profile, stats, catalog)},
        services=(
            FeatureService(name="recommendation_v1", features=[activity, profile]),
            FeatureService(name="ranker_v1", features=[profile, stats, catalog]),
        ),
    )


def _source(features_folder: Path, view: View) -> FileSource:
    return FileSource(
        name=f"{view.name}_table",
        path=str(table_path(features_folder.absolute(), view)),
        file_format=ParquetFormat(),
        timestamp_field=EVENT_TIMESTAMP,
        created_timestamp_column=CREATED_TIMESTAMP,
    )


def _view(view: View, entity: Entity, source: FileSource | PushSource) -> FeatureView:
    fields = [Field(name=entity.join_key, dtype=String)]
    fields += [Field(name=name, dtype=_TYPES[kind]) for name, kind in view.features.items()]
    return FeatureView(name=view.name, entities=[entity], schema=fields, source=source, ttl=ALWAYS, online=True)
