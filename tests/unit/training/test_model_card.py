from pathlib import Path

from tests.unit.training.bundles import a_bundle
from training.data_checks import DataProfile, DataShift
from training.evidence import Evidence, PartFigure, SliceFigure
from training.model_card import model_card

DATA = DataProfile(
    first=1_700_000_000,
    last=1_700_864_000,
    interactions=9,
    kinds={"view": 9},
    markets={"DE|<b>\nFR": 9},
    popularity=(9,),
)
SHIFT = DataShift(since=9, drop=0.25, fewer=0.6, psi={"markets": 0.3}, moved={"markets": "FR from 40.0% to 1.0%"})
SLICE = SliceFigure(
    slice="market=DE|<b>\nFR", metric="hr_20", questions=900, sessions=300, champion=0.4, challenger=0.3,
    difference=-0.25, low=-0.3, high=-0.2,
)  # fmt: skip
EVIDENCE = Evidence(questions=900, slices=(SLICE,), coverage=0.5, proposal_ms=1.5, data=DATA, shift=SHIFT)


def test_a_card_tells_data_figures_slices_limits_and_libraries(tmp_path: Path) -> None:
    figures = {"home.hr_20": 0.5, "home.hr_20.low": 0.4, "home.hr_20.high": 0.6}
    manifest = a_bundle(tmp_path / "bundle").model_copy(update={"evidence": EVIDENCE, "metrics": figures})
    card = model_card(manifest, ["u:bot: 5,000 events"])
    assert "| home.hr_20 | 0.5000 | 0.4000 | 0.6000 |" in card
    assert "- Interactions against the champion's window: -25% a day, -60% in all" in card
    assert "- Stability index of markets: 0.300 (most: FR from 40.0% to 1.0%)" in card
    assert "- Left out as bots: 1; u:bot: 5,000 events" in card
    assert "numpy " in card
    assert "## Limits" in card


def test_a_first_version_tells_its_slices_and_where_it_is_weak_without_any_champion(tmp_path: Path) -> None:
    parts = (
        PartFigure(slice="item=head", questions=900, sessions=300, hr=0.5, mrr=0.25),
        PartFigure(slice="item=tail", questions=90, sessions=40, hr=0.05, mrr=0.01),
        PartFigure(slice="market=CH", questions=3, sessions=2, hr=0.0, mrr=0.0),
    )
    evidence = Evidence(questions=993, parts=parts, data=DATA)
    card = model_card(a_bundle(tmp_path / "bundle").model_copy(update={"evidence": evidence}), [])
    assert "| item=head | 900 | 300 | 0.5000 | 0.2500 |" in card
    assert "- It does worst in item=tail: HR@20 0.0500." in card
    assert "- Too few sessions to say how it does, fewer than 30: market=CH (2)." in card
    assert "- Fewer than 1,000 interactions to learn from in: DE\\|&lt;b> FR." in card


def test_names_from_outside_stay_in_their_cell(tmp_path: Path) -> None:
    manifest = a_bundle(tmp_path / "bundle").model_copy(update={"evidence": EVIDENCE})
    [row] = [line for line in model_card(manifest, []).splitlines() if line.startswith("| market=")]
    assert row.replace("\\|", "").count("|") == 9
    assert "<b>" not in row


def test_a_version_that_was_never_compared_says_so(tmp_path: Path) -> None:
    card = model_card(a_bundle(tmp_path / "bundle"), [])
    assert "Not measured: the hold-out had no questions." in card
    assert "Not compared: there was no champion" in card
