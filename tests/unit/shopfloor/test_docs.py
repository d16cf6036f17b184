"""The documents name everything there is, and lead only to what exists."""

import re
from pathlib import Path

import pytest
import typer

from shopfloor.cli import app
from shopfloor.settings import VARIABLES

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])


def verbs() -> list[str]:
    return sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


class TestReadme:
    @pytest.mark.parametrize("verb", verbs())
    def test_it_names_every_command(self, verb: str) -> None:
        assert f"`shopfloor {verb}`" in README

    @pytest.mark.parametrize("variable", VARIABLES)
    def test_it_names_every_variable(self, variable: str) -> None:
        assert variable in README


class TestPages:
    @pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
    def test_links_lead_somewhere(self, page: Path) -> None:
        targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
        missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
        assert missing == []

    def test_files_that_architecture_names_exist(self) -> None:
        named = re.findall(r"`((?:shopfloor|serving|training|ingestion|feature_repo|tests|docs)/[\w/.*-]+)`",
                           (ROOT / "ARCHITECTURE.md").read_text())  # fmt: skip
        assert named
        assert [path for path in named if not list(ROOT.glob(path.rstrip("/")))] == []

    def test_every_decision_has_its_own_number(self) -> None:
        numbers = [page.name[:4] for page in (ROOT / "docs" / "decisions").glob("*.md")]
        assert len(numbers) == len(set(numbers))
