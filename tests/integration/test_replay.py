"""Dead letters that were mended come into the lake, once."""

import json
from pathlib import Path

from ingestion.sinks.lake import Lake
from ingestion.stream.replay import Letter, letters_in, replay
from ingestion.transports.log import EVENTS, Message
from tests.builders import NOW, event_json
from tests.integration.stream_shop import Shop, messages


class TestReplay:
    async def test_what_still_does_not_pass_stays_a_dead_letter(self, shop: Shop) -> None:
        await shop.log.append(EVENTS, [Message(b"u:anna", event_json(event_name="bought"))])
        await shop.work_until(lambda: bool(shop.rows("dead_letters", "1")))
        lake = Lake(str(shop.folder))
        report = await replay(letters_in(lake), shop.log, lake)
        assert (report.letters, report.replayed, report.still_refused) == (1, 0, 1)
        assert next(iter(report.reasons)).startswith("event_name: ")

    async def test_a_mended_event_comes_in_once_however_often_it_is_replayed(self, shop: Shop) -> None:
        lake = Lake(str(shop.folder))
        mended = [Letter("events/0/0", event_json(event_id="mended"), NOW)]
        for _ in range(2):
            await replay(mended, shop.log, lake)
            await shop.work_until(shop.has("events", "event_id", ("mended",)))
        assert (await replay(mended, shop.log, lake)).already_there == 1

    async def test_a_dry_run_sends_nothing(self, shop: Shop) -> None:
        before = await shop.log.end_offsets(EVENTS)
        report = await replay([Letter("x", event_json(), NOW)], shop.log, Lake(str(shop.folder)), dry_run=True)
        assert report.replayed == 1
        assert await shop.log.end_offsets(EVENTS) == before

    async def test_letters_hold_the_payload_byte_for_byte(self, shop: Shop, tmp_path: Path) -> None:
        await shop.log.append(EVENTS, [*messages("e1"), Message(b"u:anna", b"\xff{")])
        await shop.work_until(lambda: bool(shop.rows("dead_letters", "1")))
        (letter,) = letters_in(Lake(str(shop.folder)))
        assert letter.payload == b"\xff{"
        assert json.dumps(letter.reasons)
