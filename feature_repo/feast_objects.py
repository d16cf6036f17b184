"""What ``feast apply`` registers when it is run in this folder; the program calls ``definitions`` itself.

Feast collects the objects that stand in a module's variables, hence the assignments.
"""

from pathlib import Path

from feature_repo.definitions import definitions

_objects = definitions(Path(__file__).resolve().parent.parent / ".shopfloor" / "features")
customer, item = _objects.entities
(user_activity_push,) = _objects.sources
user_activity, user_profile, item_stats, item_catalog = _objects.views.values()
recommendation_v1, ranker_v1 = _objects.services
