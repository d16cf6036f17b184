from pathlib import Path
from typing import Any, cast

import pytest

from feature_repo.errors import BadInput, NotFound, Refused
from tests.unit.training.bundles import a_bundle
from training.bundle import Manifest
from training.promotion import promote
from training.registry import ModelRegistry

EQUAL = {f"over_champion.{m}_20{end}": 0.0 for m in ("hr", "mrr") for end in ("", ".low", ".high")}


class Versions:
    """A registry in memory: version 1 is the champion, version 2 the challenger."""

    def __init__(self, challenger: Manifest) -> None:
        self.challenger = challenger
        self.aliases: dict[str, str] = {"champion": "1", "challenger": "2"}
        self.reasons: list[str] = []

    def version_of(self, alias: str) -> str | None:
        return self.aliases.get(alias)

    def manifest(self, version: str) -> Manifest:
        assert version == "2"
        return self.challenger

    def promote(self, version: str, why: str = "") -> None:
        self.aliases["champion"] = version
        self.reasons.append(why)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return a_bundle(tmp_path / "bundle")


def versions(manifest: Manifest, compared_with: str | None = "1", **metrics: float) -> Any:
    changes = {"metrics": EQUAL | metrics, "settings": {"compared_with": compared_with}}
    return cast(ModelRegistry, Versions(manifest.model_copy(update=changes)))


def test_a_challenger_that_is_not_worse_passes(manifest: Manifest) -> None:
    registry = versions(manifest)
    assert promote(registry, "challenger", margin=0.01) == "2"
    assert registry.version_of("champion") == "2"


def test_a_challenger_that_may_be_worse_is_refused_with_reasons(manifest: Manifest) -> None:
    registry = versions(manifest, **{"over_champion.hr_20": -0.01, "over_champion.hr_20.low": -0.03})
    with pytest.raises(Refused, match=r"over_champion.hr_20 is -0.0100, 95 % interval -0.0300") as refusal:
        promote(registry, "challenger", margin=0.02)
    assert len(refusal.value.details["reasons"]) == 1
    assert registry.version_of("champion") == "1"


def test_the_same_difference_passes_a_wider_margin(manifest: Manifest) -> None:
    registry = versions(manifest, **{"over_champion.hr_20.low": -0.03})
    assert promote(registry, "2", margin=0.03) == "2"


def test_a_challenger_compared_with_another_champion_is_refused(manifest: Manifest) -> None:
    for compared_with in ("0", None):
        with pytest.raises(Refused, match="train again"):
            promote(versions(manifest, compared_with), "challenger", margin=1.0)


def test_a_challenger_that_was_never_compared_is_refused(manifest: Manifest) -> None:
    registry = versions(manifest)
    registry.challenger = registry.challenger.model_copy(update={"metrics": {}})
    with pytest.raises(Refused, match="never compared"):
        promote(registry, "challenger", margin=1.0)


def test_force_needs_a_reason_and_both_are_recorded(manifest: Manifest) -> None:
    registry = versions(manifest, compared_with="0")
    with pytest.raises(BadInput, match="--why"):
        promote(registry, "challenger", margin=0.0, force=True, why=" ")
    promote(registry, "challenger", margin=0.0, force=True, why="the sale starts")
    assert registry.reasons[0].startswith("the sale starts (against the gate: it was compared with champion 0")


def test_the_first_champion_has_no_one_to_beat(manifest: Manifest) -> None:
    registry = versions(manifest, compared_with=None)
    del registry.aliases["champion"]
    assert promote(registry, "challenger", margin=0.0) == "2"


def test_the_champion_promoted_again_stays(manifest: Manifest) -> None:
    registry = versions(manifest)
    assert promote(registry, "1", margin=0.0) == "1"
    assert registry.reasons == []


def test_no_challenger_yet(manifest: Manifest) -> None:
    registry = versions(manifest)
    del registry.aliases["challenger"]
    with pytest.raises(NotFound, match="shopfloor train"):
        promote(registry, "challenger", margin=0.0)
