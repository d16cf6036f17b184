"""Who answers customers, who did before, and who waits: the registry's two aliases and the champions' history.

Nothing here needs a bundle or MLflow, so that a rollback is done within a second.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from feature_repo.errors import BadInput, Conflict, NotFound
from training.mlflow_client import BUNDLE
from training.registry_store import RegistryStore

MODEL: Final = "shopfloor"
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
MANIFEST_TAG: Final = "shopfloor.manifest_sha256"
CHAMPIONS_TAG: Final = "shopfloor.champions"
FORCED_TAG: Final = "shopfloor.forced"
OVERRULED_TAG: Final = "shopfloor.overruled"
KEPT_CHAMPIONS: Final = 30
LONGEST_TAG: Final = 5000
"""Characters that MLflow keeps of a model's tag."""
LONGEST_WHY: Final = 500
"""Characters of a reason that the history keeps; the version's own tags keep all of it."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """One line of the champions' history, oldest first."""

    version: str
    at: str
    """RFC 3339, UTC; empty where it was not made by Shopfloor, which noted no time."""
    why: str
    forced: bool = False
    """Whether the gate was passed by; what it had against the version stands behind ``why``."""


class Champions:
    def __init__(self, store: RegistryStore, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._clock = clock

    def version_of(self, alias: str) -> str | None:
        """The version an alias stands for, None where there is none; cheap enough to ask every second."""
        return self._store.version_of(MODEL, alias)

    def history(self) -> list[Promotion]:
        """The champions up to the present one, oldest first; a champion set by other means is the last entry.

        Where somebody deleted the champion, its alias or itself, the last entry is that one.
        """
        champion = self.version_of(CHAMPION)
        tag = self._store.model_tags(MODEL).get(CHAMPIONS_TAG, "[]")
        history = [
            Promotion(line["version"], line["at"], line["why"], line.get("forced", False)) for line in json.loads(tag)
        ]
        if champion is not None and (not history or history[-1].version != champion):
            history.append(Promotion(champion, "", "alias set outside Shopfloor"))
        return history

    def challenge(self, version: str) -> None:
        """Make a version the challenger."""
        self.digest(version)
        self._store.set_alias(MODEL, CHALLENGER, version)

    def promote(self, version: str, why: str = "", overruled: Sequence[str] | None = None) -> None:
        """Make a version the champion and remember it; the one before stays for ``rollback``.

        ``overruled`` is what the gate had against a version that was forced, kept in full with the version; None for
        one that was not.
        """
        self.digest(version)
        history = self.history()
        forced = overruled is not None
        if overruled is not None:
            self._store.set_version_tag(MODEL, version, FORCED_TAG, why)
            self._store.set_version_tag(MODEL, version, OVERRULED_TAG, json.dumps(overruled))
            why += f" (against the gate: {'; '.join(overruled)})" if overruled else ""
        # The alias first: should we die in between, the history is mended from it.
        self._store.set_alias(MODEL, CHAMPION, version)
        if not history or history[-1].version != version or why:
            self._remember([*history, self._promotion(version, why, forced)])

    def rollback(self) -> str:
        """Make the champion before the present one champion again, and return it; Conflict when there is none.

        Where somebody deleted the champion, the last one that is still there.
        """
        present = self.version_of(CHAMPION)
        before = self.history()
        while before and (before[-1].version == present or self._store.tags(MODEL, before[-1].version) is None):
            before.pop()
        if not before:
            raise Conflict("there is no champion before the present one; promote a version instead", champion=present)
        # The history first: should we die in between, a second rollback starts from the same place.
        self._remember(before)
        self._store.set_alias(MODEL, CHAMPION, before[-1].version)
        return before[-1].version

    def overruled(self, version: str) -> list[str]:
        """What the gate had against a version when it was last forced; empty for one that never was."""
        return list(json.loads((self._store.tags(MODEL, version) or {}).get(OVERRULED_TAG, "[]")))

    def digest(self, version: str) -> str:
        """The SHA-256 of a version's manifest; NotFound for no version, BadInput for one that is not ours."""
        tags = self._store.tags(MODEL, version)
        if tags is None:
            raise NotFound(f"there is no model version {version}; `shopfloor train` makes one", version=version)
        if MANIFEST_TAG not in tags:
            raise BadInput(f"model version {version} was not registered by Shopfloor: it has no tag {MANIFEST_TAG}")
        return tags[MANIFEST_TAG]

    def stored(self, version: str) -> Path | None:
        """Where this machine has the version's bundle; None when it has to be downloaded."""
        folder = self._store.folder_of(MODEL, version)
        return None if folder is None else folder / "artifacts" / BUNDLE

    def _promotion(self, version: str, why: str, forced: bool = False) -> Promotion:
        at = self._clock().astimezone(UTC).isoformat(timespec="seconds")
        return Promotion(version, at, why[:LONGEST_WHY], forced)

    def _remember(self, history: list[Promotion]) -> None:
        kept = history[-KEPT_CHAMPIONS:]
        while len(text := json.dumps([_line(promotion) for promotion in kept])) > LONGEST_TAG and len(kept) > 1:
            kept = kept[1:]
        self._store.set_model_tag(MODEL, CHAMPIONS_TAG, text)


def _line(promotion: Promotion) -> dict[str, str | bool]:
    """As it is stored; ``forced`` only where it is so, for programs of before it take no other fields than theirs."""
    line = asdict(promotion)
    return line if promotion.forced else {name: value for name, value in line.items() if name != "forced"}
