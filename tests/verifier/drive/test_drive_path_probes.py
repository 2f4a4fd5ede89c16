"""Probes of what a client is told and sends: each sees an honest path, and each way to break it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from tests.verifier.drive.labs import Dishonest, Walk, only, stopped_by, walking
from verifier.appraisal.appraise_keys import appraise_key_document
from verifier.appraisal.drive.driven import Compared, Done
from verifier.appraisal.findings import FindingClass, failed
from verifier.appraisal.verdict import Verdict
from verifier.client.client import AttestedClient
from verifier.client.feature import FeatureOffError
from verifier.drive.corrupted_proof import corrupted_proof
from verifier.drive.lab import CVM_HOPS, HOPS, Lab
from verifier.drive.probes.answer import probe_answer
from verifier.drive.probes.binding import probe_binding
from verifier.drive.probes.fail_closed import probe_fail_closed
from verifier.drive.probes.feature_off import probe_feature_off
from verifier.drive.probes.key_consistency import VANTAGE_POINTS, probe_key_consistency
from verifier.drive.tap import tapping
from verifier.library import NotVerifiedError
from verifier.wire.key_configuration import (
    LoggedConfiguration,
    encode_key_document,
    parse_key_document,
)

SECURITY = FindingClass.SECURITY
PROMPT = (("Ada", "Bring the letter to the pier at noon."),)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with walking(tmp_path_factory.mktemp("walk")) as walk:
        yield walk


@pytest.fixture
def lab(walk: Walk) -> Lab:
    return walk.lab


def unwatched(lab: Lab) -> Lab:
    return replace(lab, taps={}, roles=(), restart_cvm=None, secrets_of_roles=None)


def corrupted(document: bytes) -> bytes:
    return encode_key_document(
        tuple(
            LoggedConfiguration(each.entry, corrupted_proof(each.proof))
            for each in parse_key_document(document)
        )
    )


# The feature that is off.


def test_a_feature_that_is_off_sends_nothing(lab: Lab) -> None:
    assert only(probe_feature_off, lab) == Done(f"no connection and no byte at {len(HOPS)} hops")
    assert probe_feature_off(unwatched(lab)) == {}


def test_a_client_that_answers_all_the_same_is_seen(lab: Lab) -> None:
    always_on = replace(
        lab, new_client=lambda **given: lab.new_client(**(given | {"feature_on": True}))
    )
    seen = stopped_by(only(probe_feature_off, always_on))
    assert seen == (SECURITY, "that it refuses", "client: it answered")


def test_a_client_that_looks_for_keys_before_it_refuses_is_seen(lab: Lab) -> None:
    def look(_: AttestedClient) -> None:
        lab.fetch_keys()
        raise FeatureOffError("feature drive", expected="on", got="off")

    cls, expected, got = stopped_by(only(probe_feature_off, Dishonest.lab(lab, connect=look)))
    assert (cls, expected) == (SECURITY, "nothing")
    assert got.startswith("a feature that is off: 1 connections and ")
    assert got.endswith(" bytes at client-keycdn")


# The keys.


def test_everyone_is_given_the_logged_keys(lab: Lab) -> None:
    assert only(probe_key_consistency, lab) == Done(
        "4 fetched alike from 4 addresses by 3 user agents, and every configuration in it is logged"
    )
    assert only(probe_key_consistency, unwatched(lab)) == Done(
        "4 fetched alike from 1 address by 3 user agents, and every configuration in it is logged"
    )
    peers = {each.peer[0] for each in lab.taps["client-keycdn"].recordings()}
    assert {source for source, _ in VANTAGE_POINTS} <= peers


@pytest.mark.parametrize(
    ("marked", "words"),
    [
        ({"source": "127.0.0.3"}, "for 127.0.0.3, user agent curl/8.14.1"),
        ({"user_agent": "curl/8.14.1"}, "for 127.0.0.3, user agent curl/8.14.1"),
        ({"source": "127.0.0.4"}, "for 127.0.0.4, user agent none"),
    ],
)
def test_one_client_that_is_given_other_keys_is_seen(
    lab: Lab, marked: dict[str, str], words: str
) -> None:
    def fetch(**who: Any) -> bytes:
        document = lab.fetch_keys(**who)
        return corrupted(document) if marked.items() <= who.items() else document

    cls, expected, got = stopped_by(only(probe_key_consistency, replace(lab, fetch_keys=fetch)))
    assert cls is SECURITY
    assert expected.endswith("as 127.0.0.1 was given it")
    assert got.endswith(words)


def test_keys_that_are_not_logged_are_seen_though_everyone_is_given_them(lab: Lab) -> None:
    document = corrupted(lab.fetch_keys())
    given = replace(lab, fetch_keys=lambda **_: document)
    cls, expected, got = stopped_by(only(probe_key_consistency, given))
    assert (cls, expected) == (SECURITY, "one that is in the log")
    assert "log.checkpoint.signature" in got


# Answers and bindings.


def test_the_released_code_answers_through_the_path(lab: Lab) -> None:
    assert only(probe_answer, lab) == Done(
        "20 of 20 as predicted, by cvm-0 and cvm-1, through relay and gateway"
    )
    assert only(probe_answer, unwatched(lab)) == Done(
        "10 of 10 as predicted, through relay and gateway"
    )


def test_a_cvm_that_is_not_reached_is_not_said_to_have_answered(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifier.drive.probes.answer.TRIES", 1)
    seen = only(probe_answer, lab)
    assert isinstance(seen, Done)
    assert re.fullmatch("10 of 10 as predicted, by cvm-[01], through relay and gateway", seen.words)


@pytest.mark.parametrize("watched", [True, False])
def test_the_answers_of_another_release_are_not_those_of_the_driven_one(
    lab: Lab, watched: bool
) -> None:
    given = replace(lab if watched else unwatched(lab), entry=lab.entry + b" ")
    cls, expected, got = stopped_by(only(probe_answer, given))
    assert (cls, expected) == (SECURITY, sha256(given.entry).hexdigest())
    assert got == f"release of the session: {sha256(lab.entry).hexdigest()}"


@pytest.mark.parametrize("what", ["summarise", "rewrite", "chat"])
def test_other_code_is_seen(lab: Lab, what: str) -> None:
    lying = Dishonest.lab(lab, **{what: lambda _: ("canned",) if what != "chat" else "canned"})
    cls, expected, got = stopped_by(only(probe_answer, lying))
    assert cls is SECURITY
    assert expected
    assert got.split(": ")[-1] == "'canned'"


def test_the_binding_and_the_key_exchange_are_named(lab: Lab) -> None:
    seen = only(probe_binding, lab)
    words = "level exporter, after the handshake; key exchange X25519MLKEM768"
    assert seen == Compared(expected=words, got=words, source="session-binding")


@pytest.mark.parametrize(("group", "named"), [("X25519", "X25519"), ("", "none")])
def test_another_key_exchange_is_seen(lab: Lab, group: str, named: str) -> None:
    seen = only(probe_binding, Dishonest.lab(lab, group=lambda _: group))
    assert isinstance(seen, Compared)
    assert seen.got == f"level exporter, after the handshake; key exchange {named}"
    assert seen.got != seen.expected


def test_a_binding_that_nobody_judged_is_seen(lab: Lab) -> None:
    def unjudged(client: AttestedClient) -> Any:
        verdict = client.connect()
        findings = tuple(f for f in verdict.findings if f.check != "session.binding")
        return replace(verdict, findings=findings)

    seen = stopped_by(only(probe_binding, Dishonest.lab(lab, connect=unjudged)))
    assert seen == (SECURITY, "a binding that was judged", "session: none")


def test_a_cvm_that_is_refused_is_the_failure_of_its_answers_alone(lab: Lab) -> None:
    def refuse(_: AttestedClient) -> None:
        raise refusal(lab)

    refused = Dishonest.lab(lab, connect=refuse)
    assert stopped_by(only(probe_answer, refused))[0] is SECURITY
    for probe in (probe_binding, probe_fail_closed):
        cls, expected, _ = stopped_by(only(probe, refused))
        assert cls is FindingClass.INFRASTRUCTURE
        assert expected == "answers over a session that is VERIFIED"


# Proofs that do not hold.


def test_a_refusal_that_has_more_reasons_than_the_proof_is_one(lab: Lab) -> None:
    refused = refusal(lab)
    more = failed("snp.vmpl", expected="0", got="1", source="snp-report")
    verdict = replace(refused.verdict, findings=(more, *refused.verdict.findings))
    others = replace(verdict, findings=(more,))

    def refuse(verdict: Verdict) -> Any:
        def raising(_: AttestedClient) -> None:
            raise NotVerifiedError(verdict)

        return raising

    seen = only(probe_fail_closed, Dishonest.lab(lab, summarise=refuse(others)))
    assert stopped_by(seen)[0] is SECURITY  # the proof was believed
    cls, expected, _ = stopped_by(
        only(probe_fail_closed, Dishonest.lab(lab, summarise=refuse(verdict)))
    )
    assert (cls, expected[-18:]) == (SECURITY, "for evidence alone")  # it connected to nothing


def test_a_client_refuses_corrupted_proofs_and_has_said_nothing(lab: Lab) -> None:
    seen = only(probe_fail_closed, lab)
    assert isinstance(seen, Done)
    assert seen.words.startswith("refused three corrupted proofs: nothing sent with one of the key")
    assert probe_fail_closed(unwatched(lab)) == {}


def test_a_cvm_that_no_tap_sees_shows_nothing(lab: Lab) -> None:
    # That nothing was sent is no finding where nothing of what is sent can be seen.
    with tapping(limit=1) as blind:
        seen = stopped_by(
            only(
                probe_fail_closed, replace(lab, taps={**lab.taps, **dict.fromkeys(CVM_HOPS, blind)})
            )
        )
    assert seen == (
        FindingClass.INFRASTRUCTURE,
        "bytes inside TLS",
        "a session that is VERIFIED: none on the hops to the CVMs",
    )


@pytest.mark.parametrize("ignored", ["key_cdn", "members"])
def test_a_client_that_believes_a_corrupted_proof_is_seen(lab: Lab, ignored: str) -> None:
    def make(**given: Any) -> AttestedClient:
        given.pop(ignored, None)
        return lab.new_client(**given)

    seen = stopped_by(only(probe_fail_closed, replace(lab, new_client=make)))
    assert seen == (SECURITY, "a refusal", "client with a corrupted proof: an answer")


def refusal(lab: Lab) -> NotVerifiedError:
    document = corrupted(lab.fetch_keys())
    return NotVerifiedError(appraise_key_document(document, policy=lab.policy, now=lab.now).verdict)


def test_a_client_that_asks_for_tokens_under_corrupted_keys_is_seen(lab: Lab) -> None:
    def ask_before(_: AttestedClient) -> None:
        with lab.new_client() as other:
            other.connect()
        raise refusal(lab)

    cls, expected, got = stopped_by(
        only(probe_fail_closed, Dishonest.lab(lab, summarise=ask_before))
    )
    assert (cls, expected) == (SECURITY, "nothing")
    assert got.startswith("sent with corrupted keys: ")
    assert got.endswith(" connections at client-issuer")


def test_a_client_that_refuses_after_it_has_said_everything_is_seen(lab: Lab) -> None:
    def make(**given: Any) -> Any:
        client = lab.new_client(**given)
        if not given.get("members"):
            return client

        def say(_: AttestedClient) -> None:
            with lab.new_client() as other:
                other.summarise(PROMPT)
            raise refusal(lab)

        return Dishonest(client, {"summarise": say})

    cls, expected, got = stopped_by(only(probe_fail_closed, replace(lab, new_client=make)))
    assert cls is SECURITY
    assert expected.endswith(" bytes, as for evidence alone")
    assert got.startswith("sent with a corrupted release-proof: ")
    sent = got.removeprefix("sent with a corrupted release-proof: ").split()[0]
    assert len(sent) > len(expected.split()[0])  # a kilobyte at least, and not some hundred bytes
