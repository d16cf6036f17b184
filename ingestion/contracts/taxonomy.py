"""The taxonomy contract, version 1: the shop's tree of categories, always replaced as a whole."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from ingestion.contracts.event import Id, Text, Time

CONTRACT_VERSION: Final = 1
LOG_KEY: Final = b"taxonomy"
"""One key for all nodes keeps a version's nodes together and the versions in order."""


class Category(BaseModel):
    """One node of the tree; a root has no parent."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True, use_attribute_docstrings=True)

    category_id: Id
    parent_id: Id | None = None
    name: Text | None = None


class StoredCategory(Category):
    """A node as the log and the lake keep it. A reader takes a version over once it has all ``size`` nodes."""

    taxonomy_version: Id
    """Same for all nodes that were put together; later versions compare greater."""
    size: Annotated[int, Field(ge=1)]
    """Number of nodes in this version."""
    updated_at: Time


def stored_tree(categories: Sequence[Category], at: datetime, origin: str) -> list[StoredCategory]:
    """The nodes of one version, put at ``at``; ``origin`` tells apart two that were put at the same moment."""
    version = f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}-{origin}"
    size = len(categories)
    return [
        StoredCategory.model_construct(**dict(node), taxonomy_version=version, size=size, updated_at=at)
        for node in categories
    ]


def tree_problems(categories: Sequence[Category]) -> Iterable[tuple[int, str, str, str]]:
    """Whatever keeps the categories from being a forest, as (index, field, value, reason)."""
    parents: dict[str, str | None] = {}
    for index, node in enumerate(categories):
        if node.category_id in parents:
            yield index, "category_id", node.category_id, "stands twice; every category appears once"
        parents[node.category_id] = node.parent_id
    in_tree: dict[str, bool] = {}
    for index, node in enumerate(categories):
        if node.parent_id is not None and node.parent_id not in parents:
            yield index, "parent_id", node.parent_id, "is no category of this taxonomy; send the parent too"
        elif not _reaches_root(node.category_id, parents, in_tree):
            yield index, "parent_id", str(node.parent_id), "leads into a cycle; a category may not be below itself"


def _reaches_root(category: str, parents: dict[str, str | None], known: dict[str, bool]) -> bool:
    path: list[str] = []
    on_path: set[str] = set()
    node: str | None = category
    while node is not None and node not in known and node not in on_path:
        path.append(node)
        on_path.add(node)
        node = parents.get(node)
    reaches = True if node is None else known.get(node, False)
    known.update(dict.fromkeys(path, reaches))
    return reaches
