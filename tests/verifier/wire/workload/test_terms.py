"""Languages by their stop words, and stems that words of one kin share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.wire.workload.languages import LANGUAGES, PLAN, STOP, TINY
from verifier.wire.workload.terms import (
    count_stops,
    language_of,
    most_stops,
    plain,
    stem,
    terms,
    topics,
)
from verifier.wire.workload.text import words


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("When do we meet at the station?", "en"),
        ("Wann treffen wir uns am Bahnhof?", "de"),
        ("¿Cuándo nos vemos en la estación?", "es"),
        ("Quand est-ce que nous arrivons à la gare ?", "fr"),
        ("Quando é que a gente se encontra na estação?", "pt"),
        ("Quando ci vediamo alla stazione?", "it"),
        ("Wanneer zien wij elkaar op het station?", "nl"),
        ("Когда мы встретимся на вокзале?", "ru"),
        ("متى نلتقي في المحطة؟", "ar"),
        ("हम स्टेशन पर कब मिलेंगे?", "hi"),
        ("我们在哪里见面？", ""),  # noqa: RUF001 - a full-width mark
        ("12345 !!!", ""),
    ],
)
def test_language(text: str, language: str) -> None:
    assert language_of(text) == language


def test_a_tie_is_decided_for_the_default_and_then_by_the_order() -> None:
    assert language_of("de la", "fr") == "fr"
    assert language_of("de la", "pt") == "pt"
    assert language_of("de la", "en") == "es"
    assert language_of("xyz", "fr") == "fr"
    assert most_stops(count_stops([]), "") == ""


@pytest.mark.parametrize(
    "kin",
    [
        ("bring", "brings", "bringing", "Bringen"),
        ("cake", "cakes"),
        ("take", "takes", "taking"),
        ("meet", "meeting", "meetings", "meets"),
        ("plan", "planned", "planning"),
        ("party", "parties"),
        ("budget", "budgets"),
        ("decide", "decided"),
        ("Treffen", "treffe"),
        ("reunião", "reuniao"),
        ("поезд", "поезда", "поезде"),
        ("الاجتماع", "اجتماع"),
    ],
)
def test_kin_share_a_stem(kin: tuple[str, ...]) -> None:
    assert len({stem(words(word)[0]) for word in kin}) == 1


@pytest.mark.parametrize(
    "others", [("cake", "call"), ("meet", "meat"), ("station", "state"), ("Ana", "and")]
)
def test_others_do_not(others: tuple[str, ...]) -> None:
    assert len({stem(words(word)[0]) for word in others}) == 2


def test_terms_and_topics() -> None:
    assert terms("Ok, we meet at the station at 7", "en") == ("ok", "meet", "station", "7")
    assert topics("Ok, we meet at the station at 7", "en") == ("meet", "station", "7")
    assert topics("haha super", "fr") == ()
    assert terms("die Kuchen", "en") == ("die", "kuch")
    assert terms("die Kuchen", "de") == ("kuch",)
    assert terms("die Kuchen", "") == ("kuch",)


def test_plain() -> None:
    assert plain("está") == "esta"
    assert plain("हिन्दी") == "हिन्दी"
    assert plain("й") == "и"


@given(st.text(max_size=40))
def test_a_stem_is_its_own_stem_or_shorter(text: str) -> None:
    for word in words(text):
        assert 0 <= len(stem(word)) <= len(plain(word))


@pytest.mark.parametrize("table", [STOP, TINY, PLAN])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_tables_are_spelt_as_words_are_found(
    table: dict[str, frozenset[str]], language: str
) -> None:
    listed = table[language]
    assert len(listed) >= 9
    for word in listed:
        assert words(word) == (word,), word
