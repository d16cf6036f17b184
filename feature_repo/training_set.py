"""Point-in-time training sets: for each customer and moment, the features as they were known then."""

import pandas as pd
from feast import FeatureStore

from feature_repo.definitions import EVENT_TIMESTAMP
from feature_repo.errors import BadInput, NotFound
from feature_repo.feast_noise import quiet


def training_set(store: FeatureStore, entity_frame: pd.DataFrame, service: str) -> pd.DataFrame:
    """The rows of ``entity_frame`` with the features of a feature service, named ``view__feature``.

    ``entity_frame`` holds the join keys of the service's entities (``customer_key``, ``item_id``), ``event_timestamp``
    with a zone, and any further columns, such as labels, which are kept. A row without features keeps its place, with
    nulls. A feature row counts only from when it was known: neither one stamped later nor one that a late event
    changed after the moment is seen.

    Raises BadInput for a frame that does not fit, NotFound for a service that was never applied.
    """
    from feast.errors import FeastObjectNotFoundException

    try:
        features = store.get_feature_service(service)
    except FeastObjectNotFoundException as error:
        raise NotFound(
            f"there is no feature service {service}; run shopfloor materialize, which registers them"
        ) from error
    _check(store, entity_frame, service)
    with quiet():
        history = store.get_historical_features(
            entity_df=entity_frame, features=features, full_feature_names=True, filter_by_created_timestamp=True
        )
        joined: pd.DataFrame = history.to_df()
    return joined


def check_service(store: FeatureStore, service: str) -> None:
    """NotFound for a service that is none of those registered; where none is yet, ``training_set`` says what to do."""
    known = sorted(each.name for each in store.list_feature_services())
    if known and service not in known:
        raise NotFound(f"there is no feature service {service}; known are {', '.join(known)}")


def _check(store: FeatureStore, frame: pd.DataFrame, service: str) -> None:
    views = [store.get_feature_view(p.name) for p in store.get_feature_service(service).feature_view_projections]
    needed = sorted({key for view in views for key in view.join_keys})
    missing = [column for column in [*needed, EVENT_TIMESTAMP] if column not in frame]
    if missing:
        raise BadInput(f"the entity frame for {service} lacks {', '.join(missing)}")
    if not isinstance(frame[EVENT_TIMESTAMP].dtype, pd.DatetimeTZDtype):
        raise BadInput(
            f"column {EVENT_TIMESTAMP} of the entity frame needs times with a zone, not {frame.dtypes[EVENT_TIMESTAMP]}"
        )
    if not len(frame):
        raise BadInput("the entity frame has no rows")
