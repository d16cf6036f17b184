"""The shop's tree of categories in memory, taken over version by version and never half."""

from collections import defaultdict
from collections.abc import Collection

from ingestion.contracts.taxonomy import StoredCategory


class Taxonomy:
    def __init__(self) -> None:
        self.version = ""
        self._children: dict[str, list[str]] = {}
        self._nodes: dict[str, StoredCategory] = {}
        self._arriving: dict[str, dict[str, StoredCategory]] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, category_id: str) -> bool:
        return category_id in self._nodes

    def apply(self, node: StoredCategory) -> None:
        """Collect a node; its version is taken over once it is whole, if it is newer than the present one."""
        if node.taxonomy_version <= self.version:
            return
        arrived = self._arriving.setdefault(node.taxonomy_version, {})
        arrived[node.category_id] = node
        if len(arrived) == node.size:
            self._take_over(node.taxonomy_version, arrived)

    def below(self, category_ids: Collection[str]) -> set[str]:
        """The categories and everything below them; a category the taxonomy does not know stands for itself."""
        found: set[str] = set()
        waiting = list(category_ids)
        while waiting:
            category = waiting.pop()
            if category not in found:
                found.add(category)
                waiting.extend(self._children.get(category, ()))
        return found

    def name(self, category_id: str) -> str:
        node = self._nodes.get(category_id)
        return node.name if node is not None and node.name else category_id

    def _take_over(self, version: str, nodes: dict[str, StoredCategory]) -> None:
        children: defaultdict[str, list[str]] = defaultdict(list)
        for node in nodes.values():
            if node.parent_id is not None:
                children[node.parent_id].append(node.category_id)
        self.version, self._nodes, self._children = version, nodes, dict(children)
        self._arriving = {later: arrived for later, arrived in self._arriving.items() if later > version}
