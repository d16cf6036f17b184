import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from feature_repo.errors import BadInput, NotFound, Refused
from tests.unit.training.bundles import a_bundle
from training.bundle import Manifest, StoredFile
from training.data_checks import DataProfile, DataShift
from training.evidence import Evidence, SliceFigure
from training.promotion import doubts, promote
from training.registry import ModelRegistry, Promotion
from training.settings import GateSettings

GATE = GateSettings()
EQUAL = {f"over_champion.{m}_20{end}": 0.0 for m in ("hr", "mrr") for end in ("", ".low", ".high")}

DATA = DataProfile(
    first=1_700_000_000, last=1_700_864_000, interactions=5000, kinds={"view": 5000}, markets={}, popularity=(5000,)
)
SHIFT = DataShift(since=0, drop=0.0, psi={"event kinds": 0.01}, moved={"event kinds": "buy from 5.0% to 4.0%"})
FINE = Evidence(questions=100, coverage=0.5, champion_coverage=0.5, proposal_ms=1.0, data=DATA, shift=SHIFT)


def a_slice(difference: float, error: float) -> SliceFigure:
    return SliceFigure(
        slice="item=tail", metric="hr_20", questions=900, sessions=300, champion=0.4,
        challenger=0.4 * (1 + difference), difference=difference, low=difference - error, high=difference + error,
    )  # fmt: skip


class Versions:
    """A registry in memory: version 1 is the champion, version 2 the challenger."""

    def __init__(self, challenger: Manifest) -> None:
        self.challenger = challenger
        self.aliases: dict[str, str] = {"champion": "1", "challenger": "2"}
        self.history = [Promotion("1", "2026-03-01T12:00:00+00:00", "the first version")]
        self.reasons: list[str] = []
        self.overruled: Sequence[str] | None = None

    def version_of(self, alias: str) -> str | None:
        return self.aliases.get(alias)

    def manifest(self, version: str) -> Manifest:
        assert version == "2"
        return self.challenger

    def champions(self) -> list[Promotion]:
        return self.history

    def promote(self, version: str, why: str, overruled: Sequence[str] | None) -> None:
        self.aliases["champion"] = version
        self.overruled = overruled
        self.reasons.append(why)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return a_bundle(tmp_path / "bundle")


def versions(manifest: Manifest, compared_with: str | None = "1", evidence: Evidence = FINE, **metrics: float) -> Any:
    changes = {"metrics": EQUAL | metrics, "settings": {"compared_with": compared_with}, "evidence": evidence}
    return cast(ModelRegistry, Versions(manifest.model_copy(update=changes)))


def test_a_challenger_that_is_not_worse_passes(manifest: Manifest) -> None:
    registry = versions(manifest)
    assert promote(registry, "challenger", 0.01, GATE) == "2"
    assert registry.version_of("champion") == "2"


def test_a_challenger_that_may_be_worse_is_refused_with_reasons(manifest: Manifest) -> None:
    registry = versions(manifest, **{"over_champion.hr_20": -0.01, "over_champion.hr_20.low": -0.03})
    with pytest.raises(Refused, match=r"over_champion.hr_20 is -0.0100, 95 % interval -0.0300") as refusal:
        promote(registry, "challenger", 0.02, GATE)
    assert len(refusal.value.details["reasons"]) == 1
    assert registry.version_of("champion") == "1"


def test_the_same_difference_passes_a_wider_margin(manifest: Manifest) -> None:
    registry = versions(manifest, **{"over_champion.hr_20.low": -0.03})
    assert promote(registry, "2", 0.03, GATE) == "2"


def test_a_challenger_compared_with_another_champion_is_refused(manifest: Manifest) -> None:
    for compared_with in ("0", None):
        with pytest.raises(Refused, match="train again"):
            promote(versions(manifest, compared_with), "challenger", 1.0, GATE)


def test_a_challenger_that_was_never_compared_is_refused(manifest: Manifest) -> None:
    registry = versions(manifest)
    registry.challenger = registry.challenger.model_copy(update={"metrics": {}})
    with pytest.raises(Refused, match="never compared"):
        promote(registry, "challenger", 1.0, GATE)


def test_force_needs_a_reason_and_both_are_recorded(manifest: Manifest) -> None:
    registry = versions(manifest, compared_with="0")
    with pytest.raises(BadInput, match="--why"):
        promote(registry, "challenger", 0.0, GATE, force=True, why=" ")
    promote(registry, "challenger", 0.0, GATE, force=True, why="the sale starts")
    assert registry.reasons == ["the sale starts"]
    assert [reason.partition(" when")[0] for reason in registry.overruled] == ["it was compared with champion 0"]


def test_the_first_champion_has_no_one_to_beat(manifest: Manifest) -> None:
    registry = versions(manifest, compared_with=None)
    del registry.aliases["champion"]
    registry.history.clear()
    assert promote(registry, "challenger", 0.0, GATE) == "2"
    assert registry.overruled is None


def test_a_champion_that_was_deleted_is_still_the_one_to_beat(manifest: Manifest) -> None:
    registry = versions(manifest, **{"over_champion.hr_20.low": -0.03})
    del registry.aliases["champion"]
    with pytest.raises(Refused, match=r"over_champion\.hr_20"):
        promote(registry, "challenger", 0.01, GATE)
    trained_since = versions(manifest, compared_with=None)
    del trained_since.aliases["champion"]
    assert promote(trained_since, "challenger", 0.01, GATE) == "2"


def test_the_champion_promoted_again_stays(manifest: Manifest) -> None:
    registry = versions(manifest)
    assert promote(registry, "1", 0.0, GATE) == "1"
    assert registry.reasons == []


def test_no_challenger_yet(manifest: Manifest) -> None:
    registry = versions(manifest)
    del registry.aliases["challenger"]
    with pytest.raises(NotFound, match="shopfloor train"):
        promote(registry, "challenger", 0.0, GATE)


def test_next_orders_that_are_surely_foretold_worse_are_a_reason(manifest: Manifest) -> None:
    orders = {"champion.ndcg_20": 0.2, "over_champion.ndcg_20": -0.01, "over_champion.ndcg_20.low": -0.02}
    assert promote(versions(manifest, **orders, **{"over_champion.ndcg_20.high": -0.002}), "2", 0.01, GATE) == "2"
    with pytest.raises(Refused, match=r"next orders are foretold worse: over_champion.ndcg_20 is -0.0100") as refusal:
        promote(versions(manifest, **orders, **{"over_champion.ndcg_20.high": -0.0021}), "2", 0.01, GATE)
    assert [reason["check"] for reason in refusal.value.details["reasons"]] == ["orders"]


def test_a_margin_of_nothing_asks_for_a_sure_gain(manifest: Manifest) -> None:
    with pytest.raises(Refused, match="not surely better"):
        promote(versions(manifest), "challenger", 0.0, GATE)
    better = {f"over_champion.{metric}_20.low": 0.001 for metric in ("hr", "mrr")}
    assert promote(versions(manifest, **better), "challenger", 0.0, GATE) == "2"


@pytest.mark.parametrize(
    ("check", "evidence", "words"),
    [
        ("slice", {"slices": (a_slice(-0.2, 0.1),)}, "slice item=tail is worse: hr_20 0.3200 instead of 0.4000"),
        ("coverage", {"coverage": 0.47}, "shows 47.0% of the items, the champion 50.0%"),
        ("latency", {"proposal_ms": 26.0}, "takes 26.0 ms, the budget is 25 ms"),
        ("drop", {"shift": SHIFT.model_copy(update={"drop": 0.6, "fewer": 0.6})}, "60% fewer interactions a day"),
        (
            "drop",
            {"shift": SHIFT.model_copy(update={"fewer": 0.93})},
            "it learnt from 5,000 interactions (2023-11-14 to 2023-11-24), 93% fewer than the champion: train without "
            "--since and --until; if it is meant to be so, promote with --force --why TEXT",
        ),
        (
            "older",
            {"shift": SHIFT.model_copy(update={"earlier_seconds": 25 * 86_400})},
            "its data end at 2023-11-24 22:13, the champion's at 2023-12-19 22:13 (UTC): train without --until; if",
        ),
        (
            "shift",
            {"shift": SHIFT.model_copy(update={"psi": {"event kinds": 0.3}})},
            "event kinds shifted, stability index 0.30 above 0.25: buy from 5.0% to 4.0%",
        ),
    ],
)
def test_each_check_refuses_in_words_and_numbers(
    manifest: Manifest, check: str, evidence: dict[str, Any], words: str
) -> None:
    registry = versions(manifest, evidence=FINE.model_copy(update=evidence))
    with pytest.raises(Refused) as refusal:
        promote(registry, "challenger", 0.01, GATE)
    assert words in str(refusal.value)
    [reason] = json.loads(json.dumps(refusal.value.details["reasons"]))
    assert reason["check"] == check
    assert words in reason["reason"]
    assert reason["figures"]
    assert registry.version_of("champion") == "1"


def test_a_short_window_that_is_set_is_named_with_its_setting(manifest: Manifest) -> None:
    registry = versions(manifest, evidence=FINE.model_copy(update={"shift": SHIFT.model_copy(update={"fewer": 0.9})}))
    registry.challenger.settings["window_days"] = 3.0
    with pytest.raises(Refused, match=r"train without --since and --until and with training\.window_days above 3;"):
        promote(registry, "challenger", 0.01, GATE)


def test_a_bundle_over_the_budget_is_refused(manifest: Manifest) -> None:
    registry = versions(manifest)
    files = {"big.npy": StoredFile(sha256="", size=3_000_000_000)}
    registry.challenger = registry.challenger.model_copy(update={"files": files})
    with pytest.raises(Refused, match="3,000 MB, the budget is 2,000 MB"):
        promote(registry, "challenger", 0.01, GATE)


def test_a_slice_that_may_be_worse_but_not_surely_passes_and_is_told(manifest: Manifest) -> None:
    registry = versions(manifest, evidence=FINE.model_copy(update={"slices": (a_slice(-0.1, 0.2),)}))
    assert promote(registry, "challenger", 0.01, GATE) == "2"
    assert doubts(registry.challenger, GATE) == ["item=tail: hr_20 -10.0%, interval -30.0% to +10.0%"]


def test_where_nothing_could_be_asked_the_other_reasons_are_told_as_well(manifest: Manifest) -> None:
    poor = FINE.model_copy(update={"proposal_ms": 99.0, "shift": SHIFT.model_copy(update={"fewer": 0.9})})
    registry = versions(manifest, evidence=poor)
    registry.challenger = registry.challenger.model_copy(update={"metrics": {}})
    with pytest.raises(Refused) as refusal:
        promote(registry, "challenger", 0.01, GATE)
    assert [reason["check"] for reason in refusal.value.details["reasons"]] == ["comparison", "latency", "drop"]


def test_of_a_version_compared_with_another_champion_only_its_own_budgets_are_told(manifest: Manifest) -> None:
    poor = FINE.model_copy(update={"proposal_ms": 99.0, "coverage": 0.1, "slices": (a_slice(-0.5, 0.1),)})
    with pytest.raises(Refused) as refusal:
        promote(versions(manifest, "0", evidence=poor), "challenger", 0.01, GATE)
    assert [reason["check"] for reason in refusal.value.details["reasons"]] == ["comparison", "latency"]


def test_all_reasons_are_told_at_once(manifest: Manifest) -> None:
    worse = FINE.model_copy(update={"coverage": 0.1, "proposal_ms": 99.0, "slices": (a_slice(-0.5, 0.1),)})
    with pytest.raises(Refused) as refusal:
        promote(versions(manifest, evidence=worse), "challenger", 0.01, GATE)
    assert [reason["check"] for reason in refusal.value.details["reasons"]] == ["slice", "coverage", "latency"]
