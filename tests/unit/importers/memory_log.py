"""A log in memory that keeps what the importers' side of ``EventLog`` promises, and can be full."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from feature_repo.errors import TryLater
from ingestion.transports.log import Message


class MemoryLog:
    def __init__(self, room: int | None = None, name: str = "memory") -> None:
        self.topics: dict[str, list[Message]] = defaultdict(list)
        self.room = room
        """Messages that it takes before it is full; None for any number."""
        self.name = name

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        if self.room is not None and self.room < len(messages):
            raise TryLater("the log is full; make room on its disk.")
        self.room = None if self.room is None else self.room - len(messages)
        self.topics[topic].extend(messages)

    async def identity(self) -> str:
        return self.name

    def records(self, topic: str) -> list[dict[str, Any]]:
        return [msgspec.json.decode(message.value) for message in self.topics[topic]]

    def keys(self, topic: str) -> list[str]:
        return [message.key.decode() for message in self.topics[topic]]
