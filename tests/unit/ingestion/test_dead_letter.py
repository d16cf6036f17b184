import base64

import pytest

from ingestion.contracts.dead_letter import MAX_PAYLOAD_BYTES, dead_letter
from ingestion.contracts.parse import to_log
from ingestion.contracts.rejection import FieldError, Rejection
from ingestion.transports.log import MAX_RECORD_BYTES
from tests.builders import NOW, record

WRONG = Rejection((FieldError("event_name", "bought", "is unknown"),))


class TestDeadLetter:
    def test_it_names_the_record_and_keeps_it_readable(self) -> None:
        letter = dead_letter(record(7, 2, value=b'{"event_name": "bought"}'), WRONG, NOW)
        assert (letter.letter_id, letter.payload) == ("events/2/7", '{"event_name": "bought"}')

    def test_what_is_no_text_comes_back_byte_for_byte(self) -> None:
        letter = dead_letter(record(value=b"\xff\x00"), WRONG, NOW)
        assert base64.b64decode(letter.payload) == b"\xff\x00"

    @pytest.mark.parametrize("byte", [b"a", b"\x00", b"\xff", b'"'])
    def test_the_letter_of_the_largest_record_still_fits_into_the_log(self, byte: bytes) -> None:
        for size in (MAX_RECORD_BYTES, MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES // 6):
            assert len(to_log(dead_letter(record(value=byte * size), WRONG, NOW))) < MAX_RECORD_BYTES
