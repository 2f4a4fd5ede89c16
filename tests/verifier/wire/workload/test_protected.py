"""What no suggestion may touch is taken out whole, and comes back as it was or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.wire.workload.protected import protect

NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "see https://a.example/x,y, and www.b.example.",
            ("https://a.example/x,y", "www.b.example"),
        ),
        ("mail a.b+c@d.example now", ("a.b+c@d.example",)),
        ('he said "do not" twice', ('"do not"',)),
        ("«non» and “yes” and „nein“", ("«non»", "“yes”", "„nein“")),
        ("run `rm x` or ```\na\n```", ("`rm x`", "```\na\n```")),
        ("> quoted line\nmine", ("> quoted line",)),
        ("costs $3,500.50 or 20% at 5pm", ("$3,500.50", "20%", "5pm")),
        ("tell Will and Zoé about NASA", ("Will", "Zoé", "NASA")),
        ("I think I'm late. We go", ()),
        ("my iPhone and the GmbH", ("iPhone", "GmbH")),
        ("@ann #tag ~/x a/b c_d", ("@ann", "#tag", "~/x", "a/b", "c_d")),
        ("private \ue000\uf8ff use", ("\ue000\uf8ff",)),
        ('an open " quotation', ()),
    ],
)
def test_parts(text: str, parts: tuple[str, ...]) -> None:
    held = protect(text, free=NONE)
    assert held.parts == parts
    assert held.restored(held.text) == text


def test_free_words_are_no_parts() -> None:
    assert protect("do it ASAP please", free=frozenset({"asap"})).parts == ()
    assert protect("do it ASAP please", free=NONE).parts == ("ASAP",)


def test_a_wording_that_lost_or_moved_a_part_is_none() -> None:
    held = protect("from 5 to 7", free=NONE)
    assert held.text == "from \ue000 to \ue001"
    assert held.restored("to \ue001 from \ue000") is None
    assert held.restored("from \ue000") is None
    assert held.restored("from \ue000 to \ue001 or \ue001") is None
    assert held.some_restored("to \ue001") == "to 7"
    assert held.some_restored("to \ue001 from \ue000") is None


def test_where_a_full_stop_may_follow() -> None:
    for text, expected in (("at 5", True), ("with Will", True), ("see www.x.example", False)):
        held = protect(text, free=NONE)
        assert held.ends_in_a_word(held.text) is expected
    assert not protect("no part", free=NONE).ends_in_a_word("no part")


@given(st.text(max_size=200))
def test_any_text_comes_back(text: str) -> None:
    held = protect(text, free=NONE)
    assert held.restored(held.text) == text


def test_the_largest_text_comes_back() -> None:
    text = "1 " * 4096
    held = protect(text, free=NONE)
    assert len(held.parts) == 4096
    assert held.restored(held.text) == text
