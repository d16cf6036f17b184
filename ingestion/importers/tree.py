"""A taxonomy out of a legacy export: what is no tree is made one, and each change is reported."""

from collections.abc import Iterable
from datetime import datetime

from ingestion.contracts.parse import to_log
from ingestion.contracts.taxonomy import Category, stored_tree
from ingestion.importers.report import Report


def repaired_tree(nodes: Iterable[tuple[str, str | None, str | None]], report: Report) -> list[Category]:
    """The (category_id, parent_id, name) as a forest, first mention first.

    A category that stands twice keeps its first parent; one whose parent is missing becomes a root; a cycle is cut
    open above its first category.
    """
    categories: dict[str, Category] = {}
    for category_id, parent_id, name in nodes:
        if category_id in categories:
            report.repair("category stands twice: the first taken", 1)
        else:
            categories[category_id] = Category(category_id=category_id, parent_id=parent_id, name=name)
    for category in list(categories.values()):
        if category.parent_id is not None and category.parent_id not in categories:
            report.repair("category whose parent is missing: made a root", 1)
            categories[category.category_id] = category.model_copy(update={"parent_id": None})
    for category_id in _cycle_openings(categories):
        report.repair("cycle of categories: cut open, its first category made a root", 1)
        categories[category_id] = categories[category_id].model_copy(update={"parent_id": None})
    return list(categories.values())


def staged_nodes(categories: list[Category], started_at: str) -> list[str]:
    """The nodes as the log keeps them; ``started_at``, an ISO time, is when the import began."""
    nodes = stored_tree(categories, datetime.fromisoformat(started_at), "import")
    return [to_log(node).decode() for node in nodes]


def _cycle_openings(categories: dict[str, Category]) -> list[str]:
    """One category of each cycle: the one that comes first in ``categories``."""
    order = {category_id: place for place, category_id in enumerate(categories)}
    settled: set[str] = set()
    openings: list[str] = []
    for start in categories:
        path: dict[str, None] = {}
        node: str | None = start
        while node is not None and node not in settled and node not in path:
            path[node] = None
            node = categories[node].parent_id
        if node in path:
            walked = list(path)
            openings.append(min(walked[walked.index(str(node)) :], key=order.__getitem__))
        settled.update(path)
    return openings
