"""Feast's online layout, as we read it without Feast."""

import subprocess
import sys

from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import _mmh3, _redis_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from feature_repo import layout
from feature_repo.definitions import definitions
from feature_repo.layout import CUSTOMER_KEY, VIEWS, Type, decoded, encoded


def test_keys_and_fields_are_feasts_own() -> None:
    key = EntityKey(join_keys=[CUSTOMER_KEY], entity_values=[Value(string_val="u:ünï")])
    assert layout.entity_key(CUSTOMER_KEY, "u:ünï") == serialize_entity_key(key, layout.KEY_VERSION)
    assert layout.redis_key(CUSTOMER_KEY, "u:ünï") == _redis_key(layout.PROJECT, key, layout.KEY_VERSION)
    assert layout.redis_field("user_activity", "item_ids") == _mmh3("user_activity:item_ids")


def test_features_come_back_as_they_went() -> None:
    for kind, feature in (
        (Type.STRING, "ünï"),
        (Type.INT, -(2**62)),
        (Type.FLOAT, 0.1),
        (Type.STRINGS, ("", "a")),
        (Type.INTS, ()),
        (Type.FLOATS, (0.5,)),
    ):
        assert decoded(kind, encoded(kind, feature).SerializeToString()) == feature
    assert decoded(Type.INTS, b"") == (), "a feature that was added after the row was written"


def test_the_installed_feast_is_one_we_know() -> None:
    assert layout.is_known(), "read Feast's online stores again, then add the release to KNOWN_FEAST"


def test_the_definitions_have_every_feature_in_its_type(tmp_path) -> None:  # type: ignore[no-untyped-def]
    objects = definitions(tmp_path)
    assert {view.name: [f.name for f in objects.views[view.name].features] for view in VIEWS} == {
        view.name: list(view.features) for view in VIEWS
    }


def test_the_message_is_the_same_class_whoever_imports_first() -> None:
    program = (
        "import sys; from feature_repo.layout import value_class; ours = value_class()\n"
        "assert 'feast' not in sys.modules\n"
        "from feast.protos.feast.types.Value_pb2 import Value; assert ours is Value\n"
        "from feast.protos.feast.types.EntityKey_pb2 import EntityKey\n"
        "assert EntityKey(entity_values=[ours(string_val='x')]).entity_values[0].string_val == 'x'"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
