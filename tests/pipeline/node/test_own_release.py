"""A guest refuses a release that nobody named signed, that is not logged, or not its own."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.node.own_release import open_own_release
from tests import making
from tests.pipeline.node.guests import ENTRY, LOG, MEASUREMENT, PROOF, policy, report
from tests.verifier.release import stating
from tests.verifier.tlog.rejection import rejects
from verifier.errors import AuditError, ParseError, VerificationError
from verifier.evidence.snp_report import parse_report

STRANGER = making.publisher("stranger.invalid/publisher", b"S" * 32)
OWN = parse_report(report(bytes(64)))


def logged(entry: bytes) -> dict[str, bytes]:
    """An entry that is in the log of the guest policy."""
    return {"entry": entry, "proof": making.Log((entry,)).proof(0)}


def test_the_own_release_is_opened() -> None:
    opened = open_own_release(entry=ENTRY, proof=PROOF, policy=policy(), report=OWN)
    assert (opened.entry, opened.proof) == (ENTRY, PROOF)
    assert opened.release.role == "summariser"


def test_not_after_is_left_to_the_client() -> None:
    past = making.entry(making.statement(notAfter="2001-01-01T00:00:00Z"))
    opened = open_own_release(**logged(past), policy=policy(), report=OWN)
    assert opened.release.not_after.year == 2001


@pytest.mark.parametrize(
    ("given", "error", "what", "expected", "got"),
    [
        (
            logged(making.entry(by=STRANGER)),
            VerificationError,
            "publisher signatures",
            r"^1 by fixtures\.invalid/publisher",
            "0; the envelope names stranger",
        ),
        ({"proof": LOG.proof(0)}, VerificationError, "inclusion proof", "size 3$", "^root"),
        (
            {"proof": making.Log((ENTRY,), seed=b"M" * 32).proof(0)},
            VerificationError,
            "log signature",
            f"^{making.ORIGIN}",
            making.ORIGIN,
        ),
        ({"proof": b"no proof"}, ParseError, "proof", "a blank line", "none"),
        ({"entry": b"{}"}, ParseError, "envelope.payload", "the member", "missing"),
        (
            logged(making.entry(making.statement(role="translator"))),
            VerificationError,
            "role of the release",
            "^summariser$",
            "^translator$",
        ),
        (
            {"report": parse_report(report(bytes(64), b"\x12" * 48))},
            VerificationError,
            "own MEASUREMENT",
            r"one of the 1 measurements of reference-cvm 1\.0\.0",
            "^(12){48}$",
        ),
        (
            {"policy": policy(publishers=[str(STRANGER.key.vkey)])},
            VerificationError,
            "publisher signatures",
            r"^1 by stranger\.invalid/publisher",
            "0;",
        ),
        (
            {
                "policy": policy(
                    publishers=[str(key.key.vkey) for key in (making.PUBLISHER, STRANGER)],
                    publisherThreshold=2,
                )
            },
            VerificationError,
            "publisher signatures",
            "^2 by ",
            "^1;",
        ),
    ],
)
def test_everything_else_is_refused(
    given: dict[str, Any], error: type[AuditError], what: str, expected: str, got: str
) -> None:
    fitting: dict[str, Any] = {"entry": ENTRY, "proof": PROOF, "policy": policy(), "report": OWN}
    with rejects(error, what, expected=expected, got=got):
        open_own_release(**fitting | given)


def test_an_entry_of_another_kind_is_refused() -> None:
    entry = stating.signed(stating.good("announcement"))
    with rejects(ParseError, "predicate type", expected="cvm-release", got="announcement"):
        open_own_release(**logged(entry), policy=policy(), report=OWN)


def test_a_row_among_several_is_enough() -> None:
    document = making.statement()
    row = document["predicate"]["measurements"][0]
    rows = [row | {"vcpus": 4, "value": "aa" * 48}, row]
    entry = making.entry(making.statement(measurements=rows))
    opened = open_own_release(**logged(entry), policy=policy(), report=OWN)
    assert MEASUREMENT in [row.value for row in opened.release.measurements]
