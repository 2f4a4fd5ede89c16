"""Sentences and words of many scripts, by tables that no version of Python changes."""

from __future__ import annotations

import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.wire.workload.text import MAX_WORD, cleaned, is_abbreviation, sentences, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ("One.", "Two!", "Three?")),
        ("Why?! Because…  So", ("Why?!", "Because…", "So")),
        ("Dr. Smith came at 5.30 p.m. and left.", ("Dr. Smith came at 5.30 p.m. and left.",)),
        ("See e.g. this. And that", ("See e.g. this.", "And that")),
        ("It costs 3.50. Cheap", ("It costs 3.50.", "Cheap")),
        ("www.example.org is up. Good", ("www.example.org is up.", "Good")),
        ('He said "Go." She went.', ('He said "Go."', "She went.")),
        ("first line\nsecond line\r\n\n third", ("first line", "second line", "third")),
        ("spaces   and\ttabs.", ("spaces and tabs.",)),
        ("!!! ??? ...", ()),
        ("", ()),
        ("你好。我很好！再见", ("你好。", "我很好！", "再见")),  # noqa: RUF001 - full-width marks
        ("क्या हाल है? मैं ठीक हूँ। फिर मिलेंगे।", ("क्या हाल है?", "मैं ठीक हूँ।", "फिर मिलेंगे।")),
        ("كيف حالك؟ أنا بخير.", ("كيف حالك؟", "أنا بخير.")),
        ("Привет. Как дела?", ("Привет.", "Как дела?")),
        ("Das ist z.B. gut. Ja.", ("Das ist z.B. gut.", "Ja.")),
    ],
)
def test_sentences(text: str, expected: tuple[str, ...]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Straße STRASSE", ("strasse", "strasse")),
        ("ﬁne", ("fine",)),
        ("cafe\u0301 café", ("café", "café")),
        ("don't 5.30", ("don", "t", "5", "30")),
        ("你好吗", ("你好", "好吗")),
        ("我", ("我",)),
        ("iPhone用户多", ("iphone", "用户", "户多")),
        ("สวัสดี", ("สว", "วั", "ัส", "สด", "ดี")),
        ("๑๒", ("๑๒",)),
        ("🎉 ok ❤️", ("ok",)),
        ("x" * 100, ("x" * MAX_WORD,)),
        ("— … !", ()),
    ],
)
def test_words(text: str, expected: tuple[str, ...]) -> None:
    assert words(text) == expected


def test_a_letter_younger_than_the_table_is_a_letter_and_is_not_folded() -> None:
    capital, small = "\U00010400", "\ua64a"  # Deseret is in Unicode 3.2, Monograph Uk is not
    assert words(capital) == ("\U00010428",)
    assert words(small) == (small,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\ttext\nas it is", "plain\ttext\nas it is"),
        ("a\r\nb\rc\x0bd\x85e\u2028f", "a\nb\nc\nd\ne\nf"),
        ("\x00a\x1b[31mb\x7f\x9b", "a[31mb"),
        ("pass\u200bword\ufeff\u2060\u00ad", "password"),
        ("\u202eevil\u202c \u2066x\u2069\u200f", "evil x"),
        ("flag\U000e0067\U000e007f", "flag"),
        ("lone \ud800 half", "lone  half"),
        ("i\u200dg\u200dnore", "ignore"),
        ("\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", None),
        ("\U0001f468\u200d\U0001f469", None),
        ("\u0646\u200c\u200d\u200c\u0645", "\u0646\u0645"),
        ("\u2764\ufe0f\ufe0e\ufe0f", "\u2764\ufe0f"),
        ("e" + "\u0301" * 40, "e" + "\u0301" * 3),
    ],
)
def test_what_cannot_be_seen_is_left_out(text: str, expected: str | None) -> None:
    assert cleaned(text) == (text if expected is None else expected)


@given(st.text(max_size=200))
def test_what_is_clean_can_be_sent_and_is_cleaned_once(text: str) -> None:
    clean = cleaned(text)
    clean.encode("utf-8")
    assert all(character >= " " or character in "\n\t" for character in clean)
    assert cleaned(clean) == clean


def test_abbreviations() -> None:
    assert is_abbreviation("see Prof")
    assert is_abbreviation("p.m")
    assert not is_abbreviation("the end")
    assert not is_abbreviation("")
    assert not is_abbreviation("a" * 9 + "dr")


def test_every_version_of_python_cuts_alike() -> None:
    # A golden value over code points of every block, assigned and not: each Python that runs the
    # tests must come to it, and so must the one in the image.
    found = hashlib.sha256()
    for number in range(0, 0x30000, 5):
        if not 0xD800 <= number < 0xE000:
            found.update("|".join(words(f"a{chr(number)}b")).encode())
    assert found.hexdigest() == "e96ad667e0cc31eb173a5eda9f592d91118326852d290cd15ffe2bfd334083f1"


@given(st.text(max_size=200))
def test_every_sentence_has_words_and_stands_on_one_line(text: str) -> None:
    for sentence in sentences(text):
        assert words(sentence)
        assert "\n" not in sentence
        assert sentence == sentence.strip()


@given(st.text(st.characters(max_codepoint=0x0DFF), max_size=60))
def test_cutting_loses_no_word(text: str) -> None:
    kept = [word for sentence in sentences(text) for word in words(sentence)]
    assert "".join(kept) == "".join(words(text))


@pytest.mark.parametrize("part", [".", "!", ".'", "。", ". ", "x. ", "\u3002'", "\n", "e."])
def test_the_work_grows_with_the_length_only(part: str) -> None:
    def spent(count: int) -> float:
        start = time.process_time()
        sentences(part * count)
        return time.process_time() - start

    spent(10)
    # Ten times the text may take ten times as long; a hundred times would be the square.
    assert spent(20_000) < 40 * max(spent(2_000), 0.002)
