from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError
from verifier.evidence.guid import guid, guid_text


def test_a_guid_is_stored_with_its_first_fields_reversed() -> None:
    stored = guid("96b582de-1fb2-45f7-baea-a366c55a082d")
    assert stored.hex() == "de82b596b21ff745baeaa366c55a082d"


@given(st.uuids())
def test_text_and_stored_form_are_those_of_rfc_4122(value: uuid.UUID) -> None:
    assert guid(str(value)) == value.bytes_le
    assert guid_text(value.bytes_le) == str(value)


def test_another_length_is_no_guid() -> None:
    with rejects(ParseError, "GUID", expected="32 lower-case hex digits", got="96b582de"):
        guid("96b582de")
