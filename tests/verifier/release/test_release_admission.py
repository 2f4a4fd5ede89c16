"""What a log admits by its own rules, and what an auditor finds who replays it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.making import changed, publisher, statement
from tests.verifier.release.stating import (
    ADMINS,
    DATED,
    ORIGIN,
    RULE,
    SUBMITTERS,
    announcement,
    key_configuration,
    log_policy,
    rebuild,
    signed,
    wrapped,
)
from verifier.cli.publishing import Publisher
from verifier.errors import VerificationError
from verifier.release.admission import Rules, may_be_policy, replay_admission, rules_of
from verifier.release.entry import parse_entry
from verifier.release.log_policy import LogPolicy
from verifier.tlog.tile import MAX_ENTRY

A, B, C = ADMINS
X, Y, Z = SUBMITTERS
NO_RULES = Rules(ORIGIN, None, b"")
FIRST = signed(log_policy(), (A, B))
SECOND = signed(log_policy(sequence=2, kinds={}, submitters=[]), (B, C))
GOOD_ENTRIES = (
    signed(statement(), (X, Y)),
    signed(announcement(), (X,)),
    signed(rebuild(), (Z,)),
)


def in_force(entry: bytes = FIRST) -> Rules:
    return NO_RULES.after(entry)


def refusal(rules: Rules, entry: bytes) -> tuple[str, str, str]:
    with pytest.raises(VerificationError) as caught:
        rules.after(entry)
    return caught.value.what, caught.value.expected, caught.value.got


def ids(*signers: Publisher) -> str:
    return ", ".join(sorted(signer.key.keyid for signer in signers))


def test_the_first_policy_is_signed_by_its_own_administrators() -> None:
    rules = in_force()
    assert rules.policy is not None
    assert (rules.policy.sequence, rules.entry) == (1, FIRST)
    what, expected, got = refusal(NO_RULES, signed(log_policy(), (A,)))
    assert what == "log-policy.administrators"
    assert expected == f"2 by {ids(A, B, C)}"
    assert got == f"1; the envelope names {A.key.keyid}"
    what, _, got = refusal(NO_RULES, signed(log_policy(), (X, Y, Z)))
    assert (what, got[:2]) == ("log-policy.administrators", "0;")


def test_the_first_policy_is_of_this_log_and_the_first() -> None:
    foreign = signed(log_policy(origin="log.test/two"), (A, B))
    assert refusal(NO_RULES, foreign) == ("log-policy.origin", ORIGIN, "log.test/two")
    second = signed(log_policy(sequence=2), (A, B))
    assert refusal(NO_RULES, second) == ("log-policy.sequence", "1", "2")


def test_without_a_policy_any_bytes_are_admitted() -> None:
    for entry in (b"raw", b"{}", GOOD_ENTRIES[0], signed(key_configuration()), b"\0" * MAX_ENTRY):
        assert NO_RULES.after(entry) is NO_RULES


@pytest.mark.parametrize("entry", GOOD_ENTRIES)
def test_what_the_policy_admits(entry: bytes) -> None:
    rules = in_force()
    assert rules.after(entry) is rules


def test_raw_bytes_are_refused_under_a_policy() -> None:
    what, expected, got = refusal(in_force(), b"raw")
    assert (what, expected) == ("log-policy.entry", "an entry of a known kind")
    assert got.startswith("envelope")
    unknown = wrapped(b'{"_type":"https://in-toto.io/Statement/v1"}', (X,))
    assert refusal(in_force(), unknown)[0] == "log-policy.entry"


def test_a_kind_that_is_not_admitted() -> None:
    assert refusal(in_force(), signed(key_configuration(), (X,))) == (
        "log-policy.kinds",
        "announcement/v1 or cvm-release/v1 or rebuild/v1",
        "key-configuration/v1",
    )
    nothing = in_force().after(SECOND)
    assert refusal(nothing, GOOD_ENTRIES[1])[1:] == ("no kind", "announcement/v1")


def test_an_entry_that_is_larger_than_its_kind_may_be() -> None:
    row = rebuild()["predicate"]["measurements"][0]
    many = signed(rebuild(measurements=[row | {"vcpus": n} for n in range(1, 10)]), (Z,))
    assert refusal(in_force(), many) == (
        "log-policy.maximumSize",
        "at most 2000 bytes for rebuild/v1",
        f"{len(many)} bytes",
    )


def test_an_entry_that_lasts_too_long() -> None:
    entry = signed(statement(notAfter="2028-01-01T00:00:01Z"), (X, Y))
    assert refusal(in_force(), entry) == (
        "log-policy.latestNotAfter",
        "2028-01-01T00:00:00Z or earlier",
        "2028-01-01T00:00:01Z",
    )
    rules = in_force()
    assert rules.after(signed(statement(notAfter="2028-01-01T00:00:00Z"), (X, Y))) is rules
    with_keys = log_policy(
        kinds={"key-configuration/v1": DATED | {"latestNotAfter": "2026-12-01T00:00:00Z"}},
        submitters=[{"key": str(Z.key.vkey), "kinds": ["key-configuration/v1"]}],
    )
    rules = in_force(signed(with_keys, (A, B)))
    got = refusal(rules, signed(key_configuration(), (Z,)))[2]
    assert got == "2026-12-21T00:00:00Z"


def test_too_few_submitters() -> None:
    what, expected, got = refusal(in_force(), signed(statement(), (Y,)))
    assert (what, expected) == ("log-policy.submitters", f"2 by {ids(X, Y)}")
    assert got == f"1; the envelope names {Y.key.keyid}"


def test_a_submitter_of_other_kinds_does_not_count() -> None:
    assert refusal(in_force(), signed(statement(), (X, Z)))[0] == "log-policy.submitters"
    assert refusal(in_force(), signed(announcement(), (Y,)))[0] == "log-policy.submitters"


def test_an_administrator_is_no_submitter() -> None:
    assert refusal(in_force(), signed(announcement(), ADMINS))[0] == "log-policy.submitters"


def test_a_submitter_of_another_role_or_product_does_not_count() -> None:
    for member, value in (("role", "gateway"), ("product", "other"), ("role", "relay")):
        entry = signed(changed(statement(), f"predicate/{member}", value), (X, Y))
        assert refusal(in_force(), entry)[0] == "log-policy.submitters"


def test_a_bad_signature_of_a_submitter_refuses() -> None:
    other = publisher(X.key.vkey.name, b"another seed, one name, 32 byte!")
    forged = replace(other, key=X.key)
    what, _, got = refusal(in_force(), signed(announcement(), (forged,)))
    assert what == "log-policy.submitters"
    assert got.startswith(f"signature of {X.key.keyid}: ")


@pytest.mark.parametrize("by", [(X, Y, Z), (Y, X), (X, Y, Y), (X, Y, publisher())])
def test_a_signed_entry_cannot_be_logged_again_in_another_spelling(by: tuple[Publisher]) -> None:
    assert refusal(in_force(), signed(statement(), by)) == (
        "log-policy.signatures",
        "only keys that count, each once, ascending by keyid",
        ", ".join(one.key.keyid for one in by),
    )


def test_a_policy_is_changed_by_the_administrators_in_force() -> None:
    rules = in_force().after(SECOND)
    assert rules.policy is not None
    assert rules.policy.sequence == 2
    # New administrators do not vote themselves in.
    keys = {"administrators": {"keys": [str(X.key.vkey), str(Y.key.vkey)], "threshold": 2}}
    usurped = log_policy(sequence=2, **keys)
    assert refusal(in_force(), signed(usurped, (X, Y)))[0] == "log-policy.administrators"
    assert refusal(in_force(), signed(usurped, (A, X, Y)))[0] == "log-policy.administrators"
    handed_over = in_force().after(signed(usurped, (A, B)))
    third = log_policy(sequence=3)
    assert refusal(handed_over, signed(third, (A, B, C)))[0] == "log-policy.administrators"
    last = handed_over.after(signed(third, (X, Y)))
    assert last.policy is not None
    assert last.policy.administrators.threshold == 2


def test_an_old_policy_cannot_come_back() -> None:
    rules = in_force().after(SECOND)
    assert refusal(rules, FIRST) == ("log-policy.sequence", "3", "1")
    gap = signed(log_policy(sequence=4), (A, B))
    assert refusal(rules, gap) == ("log-policy.sequence", "3", "4")
    foreign = signed(log_policy(sequence=3, origin="log.test/two"), (A, B))
    assert refusal(rules, foreign)[0] == "log-policy.origin"


def test_the_policy_in_force_may_be_submitted_again() -> None:
    rules = in_force().after(SECOND)
    assert rules.after(SECOND) is rules


def test_a_log_that_kept_its_rules() -> None:
    entries = (b"raw, before there was a policy", SECOND, FIRST, *GOOD_ENTRIES, FIRST, SECOND)
    assert replay_admission(entries, origin=ORIGIN) == ()
    assert rules_of(entries, origin=ORIGIN).entry == SECOND


def test_a_log_that_broke_its_rules_is_caught_by_replay() -> None:
    self_made = signed(log_policy(sequence=2), (X, Y, Z))
    entries = (FIRST, b"raw", GOOD_ENTRIES[0], self_made, SECOND, GOOD_ENTRIES[0])
    found = replay_admission(entries, origin=ORIGIN)
    assert [(violation.index, violation.rule) for violation in found] == [
        (1, "log-policy.entry"),
        (3, "log-policy.administrators"),
        (5, "log-policy.kinds"),
    ]
    assert (found[2].expected, found[2].got) == ("no kind", "cvm-release/v1")
    # The self-made policy did not apply: the right second one still followed the first.
    assert rules_of(entries, origin=ORIGIN).entry == SECOND


def test_replay_judges_by_the_policy_of_its_time() -> None:
    release = GOOD_ENTRIES[0]
    assert replay_admission((FIRST, release, SECOND), origin=ORIGIN) == ()
    (late,) = replay_admission((FIRST, SECOND, release), origin=ORIGIN)
    assert (late.index, late.rule) == (2, "log-policy.kinds")


POOL = (FIRST, SECOND, *GOOD_ENTRIES, signed(announcement(), (Y,)), b"raw", b"{}")


@given(st.lists(st.sampled_from(POOL), max_size=12))
def test_what_the_door_lets_in_is_what_replay_approves(submitted: list[bytes]) -> None:
    rules, logged = NO_RULES, list[bytes]()
    for entry in submitted:
        try:
            rules = rules.after(entry)
        except VerificationError:
            continue
        logged.append(entry)
    assert replay_admission(logged, origin=ORIGIN) == ()
    assert rules_of(logged, origin=ORIGIN) == rules
    everything = replay_admission(submitted, origin=ORIGIN)
    assert len(everything) <= len(submitted) - len(logged)


@given(st.integers(1, 200))
def test_no_policy_escapes_the_quick_look(length: int) -> None:
    # The length of the origin moves the predicate type through all alignments of base64.
    entry = signed(log_policy(origin="o" * length), (A, B))
    assert may_be_policy(entry)
    assert isinstance(parse_entry(entry).content, LogPolicy)


def test_the_quick_look_is_quick_about_everything_else() -> None:
    assert not any(may_be_policy(entry) for entry in (*GOOD_ENTRIES, b"raw", b""))


def test_an_entry_at_the_limit_of_its_kind() -> None:
    entry = GOOD_ENTRIES[1]
    for size, admitted in ((len(entry), True), (len(entry) - 1, False)):
        kinds = {"announcement/v1": RULE | {"maximumSize": size}}
        document = log_policy(kinds=kinds)
        rules = in_force(signed(document, (A, B)))
        if admitted:
            assert rules.after(entry) is rules
        else:
            assert refusal(rules, entry)[2] == f"{len(entry)} bytes"
