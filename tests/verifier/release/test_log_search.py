"""Which release is the newest, and whose entries are looked at when a log is searched."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from tests.key_documents import OHTTP, OPERATOR, STRANGER, TOKEN, configuration
from tests.making import NOW, PUBLISHER, entry, publisher, statement
from tests.verifier.release.stating import stated
from verifier.cli.publishing import Publisher, sign_entry
from verifier.release.log_search import LogSearch, Signers

SECOND = publisher("fixtures.invalid/second", b"2" * 32)


def release(version: str, security: int, by: Publisher = PUBLISHER, **predicate: Any) -> bytes:
    return entry(statement(version=version, securityVersion=security, **predicate), by=by)


def revocation(digest: bytes, sort: str = "entry", since: str = "2026-11-20T00:00:00Z") -> Any:
    whole = {
        "withdrawn": [{"name": "it", "sort": sort}],
        "reason": "vulnerable",
        "text": "it reads beyond its buffer",
        "since": since,
    }
    return stated("revocation", {"it": digest}, whole)


def searched(*entries: bytes, threshold: int = 1) -> LogSearch:
    keys = (PUBLISHER.key, SECOND.key)
    search = LogSearch(
        role="summariser",
        product="reference-cvm",
        signers=Signers(keys, threshold),
        operators=Signers((OPERATOR.key,), 1),
        now=NOW,
    )
    for index, raw in enumerate(entries):
        search.add(index, raw)
    return search


def indices(search: LogSearch, version: str | None = None) -> list[int]:
    return [found.index for found in search.releases(version=version)]


def test_the_highest_security_version_is_the_newest_wherever_it_stands() -> None:
    search = searched(release("1.1", 4), release("9.9", 3), release("1.2", 3))
    assert indices(search) == [0, 2, 1]
    found = search.releases(version=None)[0]
    assert (found.version, found.security_version) == ("1.1", 4)
    assert found.sha256 == sha256(release("1.1", 4)).digest()


def test_of_one_security_version_the_last_one_is_the_newest() -> None:
    assert indices(searched(release("2.0", 3), release("1.9", 3))) == [1, 0]


def test_a_version_is_a_name_and_compared_as_one() -> None:
    search = searched(release("1.10", 3), release("1.1", 3), release("1.1", 5), release("1.1", 3))
    assert indices(search, "1.1") == [2, 3, 1]
    assert indices(search, "1.10") == [0]
    assert indices(search, "1") == []


def test_what_nobody_who_counts_has_signed_is_counted_and_not_found() -> None:
    strange = release("2.0", 9, by=STRANGER)
    search = searched(release("1.0", 3), strange)
    assert (indices(search), search.unsigned) == ([0], 1)


def test_the_threshold_counts() -> None:
    once = release("1.0", 3)
    twice = sign_entry(release("1.1", 3), (SECOND,))
    search = searched(once, twice, threshold=2)
    assert (indices(search), search.unsigned) == ([1], 1)


def test_other_products_and_roles_are_only_named() -> None:
    other = [release("1", 9, product=f"product-{number}") for number in range(20)]
    search = searched(release("1", 9, role="gateway"), *other)
    assert (indices(search), search.unsigned) == ([], 0)
    assert list(search.others)[:2] == ["reference-cvm (gateway)", "product-0 (summariser)"]
    assert len(search.others) == 8


def test_what_is_no_entry_is_passed_over() -> None:
    search = searched(b"raw", b"", b"\xff" * 100, release("1.0", 3)[:-1], release("1.0", 3))
    assert indices(search) == [4]


@pytest.mark.parametrize("first", [True, False])
def test_a_withdrawn_release_is_left_out_wherever_that_stands(*, first: bool) -> None:
    bad = release("1.1", 4)
    word = entry(revocation(sha256(bad).digest()))
    search = searched(*((word, bad) if first else (bad, word)), release("1.0", 3))
    assert indices(search) == [2]
    ((withdrawn, by),) = search.withdrawn
    assert (withdrawn.version, withdrawn.index, by) == ("1.1", int(first), int(not first))


@pytest.mark.parametrize(
    "word",
    [
        entry(revocation(sha256(release("1.1", 4)).digest()), by=STRANGER),
        entry(revocation(sha256(release("1.1", 4)).digest()), by=OPERATOR),
        entry(revocation(sha256(release("1.1", 4)).digest(), since="2026-11-21T12:00:01Z")),
        entry(revocation(sha256(release("1.1", 4)).digest(), sort="configured-key")),
        entry(revocation(sha256(release("1.0", 4)).digest())),
    ],
    ids=["a stranger", "an operator", "not yet", "another sort", "another entry"],
)
def test_what_withdraws_nothing(word: bytes) -> None:
    search = searched(release("1.1", 4), word)
    assert (indices(search), search.withdrawn) == ([0], ())


KEY = sha256(OHTTP).digest()


def test_a_configuration_is_found_by_role_and_exactly_its_keys() -> None:
    token = configuration("issuer", "token", TOKEN)
    search = searched(entry(token, by=OPERATOR), entry(configuration(), by=OPERATOR))
    (found,) = search.configurations(role="gateway", keys=[KEY])
    assert (found.index, found.role) == (1, "gateway")
    assert search.configurations(role="issuer", keys=[KEY]) == ()
    assert search.configurations(role="gateway", keys=[KEY, b"\x01" * 32]) == ()
    assert search.configurations(role="gateway", keys=[]) == ()


def test_a_configuration_that_is_valid_comes_first_and_then_the_last_one() -> None:
    ended = configuration(notBefore="2026-10-01T00:00:00Z", notAfter="2026-11-21T12:00:00Z")
    coming = configuration(notBefore="2026-11-22T00:00:00Z")
    early, late = configuration(), configuration(notAfter="2026-12-01T00:00:00Z")
    search = searched(*(entry(each, by=OPERATOR) for each in (early, late, ended, coming)))
    found = search.configurations(role="gateway", keys=[KEY])
    assert [each.index for each in found] == [1, 0, 3, 2]


def test_a_configuration_of_somebody_else_or_of_withdrawn_keys_does_not_count() -> None:
    strange = entry(configuration(), by=PUBLISHER)
    assert searched(strange).configurations(role="gateway", keys=[KEY]) == ()
    word = entry(revocation(KEY, sort="configured-key"), by=OPERATOR)
    search = searched(entry(configuration(), by=OPERATOR), word)
    assert search.configurations(role="gateway", keys=[KEY]) == ()
    assert search.withdrawn_by([b"\x01" * 32, KEY]) == 1
    word = entry(revocation(KEY, sort="configured-key"), by=PUBLISHER)
    search = searched(entry(configuration(), by=OPERATOR), word)
    assert len(search.configurations(role="gateway", keys=[KEY])) == 1
    assert search.withdrawn_by([KEY]) is None


def test_without_operators_no_configuration_is_looked_for() -> None:
    search = LogSearch(
        role="summariser",
        product="reference-cvm",
        signers=Signers((PUBLISHER.key,), 1),
        operators=None,
        now=NOW,
    )
    search.add(0, entry(configuration(), by=OPERATOR))
    search.add(1, entry(revocation(KEY, sort="configured-key"), by=OPERATOR))
    assert search.configurations(role="gateway", keys=[KEY]) == ()
    assert search.withdrawn_by([KEY]) is None
