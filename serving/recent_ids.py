"""The ids of events accepted a moment ago, so that a client's retry is answered as what it is."""


class RecentIds:
    """At least the last ``capacity`` / 2 ids and at most ``capacity``, in two generations.

    Best effort by design: it forgets on restart and knows only this process. That a retry counts once is
    guaranteed by the stream (``ingestion/stream``), not here.
    """

    def __init__(self, capacity: int) -> None:
        self._half = capacity // 2
        self._young: set[str] = set()
        self._old: set[str] = set()

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._young or event_id in self._old

    def add(self, event_id: str) -> None:
        if self._half == 0:
            return
        if len(self._young) >= self._half:
            self._old, self._young = self._young, set()
        self._young.add(event_id)
