"""Builders of small bundles."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.unit.training.candidate_suite import checker_board
from training.blend import BLENDS, blends_of
from training.bundle import DataWindow, Manifest, write_bundle
from training.candidates.candidate import CandidateModel
from training.candidates.covisitation import Covisitation
from training.candidates.session_knn import SessionKnn
from training.evidence import Evidence
from training.interactions import Interactions
from training.promotion import COMPARED_WITH

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_bundle(
    folder: Path,
    board: Interactions | None = None,
    metrics: Mapping[str, float] | None = None,
    compared_with: str | None = None,
    evidence: Evidence | None = None,
) -> Manifest:
    """A bundle of two models over the checker board."""
    board = board or checker_board()
    models: dict[str, CandidateModel] = {
        SessionKnn.name: SessionKnn.fit(board),
        Covisitation.name: Covisitation.fit(board),
    }
    return write_bundle(
        folder,
        item_ids=board.item_ids,
        markets=board.markets,
        models=models,
        blends=blends_of(BLENDS, models),
        window=a_window(board),
        metrics=metrics or {"blend.hr_20": 0.5},
        settings={"seed": 7} | ({COMPARED_WITH: compared_with} if compared_with else {}),
        created_at=NOON,
        evidence=evidence,
    )


def a_window(board: Interactions) -> DataWindow:
    return DataWindow(
        first_event=datetime.fromtimestamp(int(board.time.min()), UTC),
        last_event=datetime.fromtimestamp(int(board.time.max()), UTC),
        interactions=len(board),
        users=board.n_users,
        sessions=board.n_sessions,
        items=board.n_items,
    )
