"""The gate on real sessions: a mean that rose may not hide a part of the shop that lost."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from feature_repo.errors import Refused
from tests.unit.training.bundles import a_bundle
from training.blend import Recipe
from training.candidates.candidate import CandidateModel, Candidates
from training.candidates.session_knn import SessionKnn
from training.data_checks import profile_of
from training.holdout import Question, compare, split
from training.holdout_evidence import gathered
from training.interactions import History, Interactions, from_frame
from training.promotion import COMPARED_WITH, promote
from training.registry import ModelRegistry
from training.settings import GateSettings

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("SHOPFLOOR_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
SHORT = 5

pytestmark = pytest.mark.data


@dataclass(frozen=True)
class CutShort:
    """A model that proposes only SHORT items in visits of ``first`` to ``last`` clicks."""

    model: CandidateModel
    first: int
    last: int

    def propose(self, history: History, n: int) -> Candidates:
        cut = self.first <= history.in_session.sum() <= self.last
        found = self.model.propose(history, n)
        return Candidates(found.item[:SHORT], found.score[:SHORT]) if cut else found


@pytest.fixture(scope="module")
def hold_out() -> tuple[Interactions, list[Question]]:
    file = DATA / "yoochoose_100k" / "train_tr.parquet"
    if not file.is_file():
        pytest.skip(f"{file} is missing: point SHOPFLOOR_TEST_DATA at the folder of the shared data sets")
    clicks = pd.read_parquet(file).rename(columns={"SessionId": "session", "ItemId": "item", "Time": "time"})
    return split(from_frame(clicks.assign(time=clicks["time"] // 1000)), share=0.1, most=5000, seed=42)


def registry_of(hold_out: tuple[Interactions, list[Question]], folder: Path, challenger: Any, champion: Any) -> Any:
    """Version 1 is the champion, version 2 was compared with it on the hold-out."""
    earlier, questions = hold_out
    recipes = {"home": Recipe({"challenger": 1.0}), "champion": Recipe({"champion": 1.0})}
    comparison = compare(questions, {"challenger": challenger, "champion": champion}, recipes, seed=0)
    manifest = a_bundle(folder / "bundle").model_copy(
        update={
            "metrics": comparison.metrics(),
            "settings": {COMPARED_WITH: "1"},
            "evidence": gathered(comparison, questions, earlier, profile_of(earlier), None),
        }
    )

    class Versions:
        promoted = "1"

        def version_of(self, alias: str) -> str:
            return self.promoted if alias == "champion" else "2"

        def manifest(self, version: str) -> Any:
            return manifest

        def promote(self, version: str, why: str, tags: Any) -> None:
            self.promoted = version

    return cast(ModelRegistry, Versions())


def test_a_challenger_that_is_better_but_worse_in_long_sessions_is_refused_and_the_slice_named(
    hold_out: tuple[Interactions, list[Question]], tmp_path: Path
) -> None:
    knn = SessionKnn.fit(hold_out[0])
    registry = registry_of(hold_out, tmp_path, CutShort(knn, 6, 1000), CutShort(knn, 1, 3))
    with pytest.raises(Refused) as refusal:
        promote(registry, "challenger", 0.0, GateSettings())
    reasons = refusal.value.details["reasons"]
    assert {reason["check"] for reason in reasons} == {"slice"}
    slices = {reason["figures"]["slice"] for reason in reasons}
    assert len(slices) == 1
    assert next(iter(slices)).startswith("session=6")
    assert next(iter(slices)) in str(refusal.value)
    assert registry.version_of("champion") == "1"


def test_a_challenger_that_is_better_in_one_slice_and_equal_elsewhere_passes(
    hold_out: tuple[Interactions, list[Question]], tmp_path: Path
) -> None:
    knn = SessionKnn.fit(hold_out[0])
    registry = registry_of(hold_out, tmp_path, knn, CutShort(knn, 1, 1))
    assert promote(registry, "challenger", 0.0, GateSettings()) == "2"


def test_a_challenger_that_shows_fewer_items_is_refused_for_that_too(
    hold_out: tuple[Interactions, list[Question]], tmp_path: Path
) -> None:
    knn = SessionKnn.fit(hold_out[0])
    registry = registry_of(hold_out, tmp_path, CutShort(knn, 1, 1000), knn)
    with pytest.raises(Refused) as refusal:
        promote(registry, "challenger", 0.0, GateSettings())
    assert {"difference", "slice", "coverage"} == {reason["check"] for reason in refusal.value.details["reasons"]}
    assert np.all([reason["figures"] for reason in refusal.value.details["reasons"]])
