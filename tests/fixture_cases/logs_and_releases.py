"""Bundles, logs, releases and host identities of which one thing is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.fixture_cases.case import Case
from tests.fixture_cases.making_cases import MALFORMED, logged, squeezed
from tests.fixture_cases.vendor import (
    MEASUREMENT,
    PROMISED,
    contents,
    log_of,
    rules,
    tar,
    vendor,
)
from tests.making import Log, entry, publisher, statement
from tests.synthetic_sigstore import IDENTITY, encoded, trusted_root
from tests.synthetic_sigstore import bundle as sigstore_bundle
from tests.verifier.release.stating import stated
from tests.verifier.tlog.signing import signer
from verifier.evidence.bundle import MANIFEST, MAX_MEMBER
from verifier.evidence.bundle_tar import encode_bundle_tar, parse_bundle_tar
from verifier.release.dsse import parse_envelope
from verifier.release.subject import host_digest
from verifier.tlog.note import Algorithm

__all__ = ["bundles", "hosts", "identities", "logs", "releases"]

_OPERATOR = publisher("fixtures.invalid/operator", b"O" * 32)
_STRANGER = publisher("fixtures.invalid/stranger", b"S" * 32)
_ENTRY = entry(statement(MEASUREMENT))
_CANONICAL = ("design section 4, RFC 8785",)


def bundles() -> Iterator[Case]:
    """The container itself."""
    whole = contents()
    files = parse_bundle_tar(tar(whole))
    manifest = files[MANIFEST]

    def changed(check: str, title: str, *attacks: str, what: str, raw: bytes, **case: Any) -> Case:
        return replace(logged(check, title, *attacks, what=what, **case), bundle=raw)

    yield changed(
        "bundle.format",
        "A member of bundle.json is missing",
        "ATK-013",
        what="missing-member",
        raw=encode_bundle_tar({n: raw for n, raw in files.items() if n != "m/snp-vek"}),
        **MALFORMED,
    )
    yield changed(
        "bundle.format",
        "A file that bundle.json does not list",
        what="unlisted-file",
        raw=encode_bundle_tar(files | {"m/zero": b"0"}),
        **MALFORMED,
    )
    yield changed(
        "bundle.format",
        "bundle.json says one member twice, so two readers may see two bundles",
        "ATK-094",
        what="key-twice",
        raw=encode_bundle_tar(files | {MANIFEST: manifest.replace(b"{", b'{"schema":"x",', 1)}),
        **MALFORMED,
    )
    bombs = (
        ("large-member", "A tar whose one file is larger than any may be", b" " * (MAX_MEMBER + 1)),
        ("nesting", "bundle.json is nested 200,000 levels deep", b"[" * 200_000),
    )
    for what, title, filling in bombs:
        yield squeezed(
            logged("bundle.format", title, "ATK-048", what=f"bomb-{what}", **MALFORMED),
            encode_bundle_tar({MANIFEST: b'{"schema":' + filling}),
            filling,
        )
    yield changed(
        "bundle.member",
        "A member differs from the digest in bundle.json",
        what="digest",
        raw=encode_bundle_tar(files | {"m/nonce": bytes(32)}),
    )


def logs() -> Iterator[Case]:
    """The log's word."""
    yield logged(
        "log.proof.format",
        "The .tlog-proof is cut off",
        what="cut",
        held={"release_proof": log_of(_ENTRY).proof(1)[:10]},
        **MALFORMED,
    )
    yield logged(
        "log.proof.format",
        "The bundle holds no proof that the release is logged",
        "ATK-064",
        what="missing",
        held={"release_proof": None},
        **MALFORMED,
    )
    other = Log((b"another", _ENTRY), seed=b"X" * 32)
    yield logged(
        "log.checkpoint.signature",
        "Another log than that of the policy signed the checkpoint",
        "ATK-059",
        held={"release_proof": other.proof(1)},
    )
    log = log_of(_ENTRY)
    witness = signer("witness.invalid/w", Algorithm.COSIGNATURE_ED25519)
    wanted = f"log {log.key}\nwitness w {witness.key}\nquorum w\n".encode()
    case = logged("log.witness.quorum", "No witness of the policy has cosigned", "ATK-062")
    yield replace(
        case, policy=case.policy.replace(f"log {log.key}\nquorum none\n".encode(), wanted)
    )
    yield logged(
        "log.inclusion",
        "The release was never logged; the proof is of another entry",
        "ATK-064",
        "ATK-096",
        held={"release_entry": entry(statement(MEASUREMENT, version="6.6.6"))},
    )


def _released(
    check: str, title: str, *attacks: str, raw: bytes, what: str = "", **case: Any
) -> Case:
    """A bundle whose release is ``raw``, which is in the log whatever it says."""
    held = {"release_entry": raw, "release_proof": log_of(raw).proof(1)}
    return logged(check, title, *attacks, what=what, held=held | case.pop("held", {}), **case)


def releases() -> Iterator[Case]:
    """The release that is logged."""
    spaced = _ENTRY.replace(b":", b": ", 1)
    yield _released(
        "release.format",
        "The entry is not the canonical form of what it says",
        "ATK-094",
        raw=spaced,
        what="not-canonical",
        **MALFORMED,
    )
    yield _released(
        "release.format",
        "The entry is nested 500 levels deep",
        "ATK-048",
        raw=b"[" * 500,
        what="bomb-nesting",
        **MALFORMED,
    )
    yield _released(
        "release.signature",
        "A stranger signed the release",
        "ATK-096",
        raw=entry(statement(MEASUREMENT), by=_STRANGER),
    )
    rows: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("release.role", "The release is for another role", {"role": "guard"}),
        ("release.product", "The release is of another product", {"product": "other"}),
        (
            "release.security_version",
            "The security version number is below the floor",
            {"minimum_security_version": 4},
        ),
    )
    for check, title, wanted in rows:
        yield logged(check, title, "ATK-060", changed={"release": wanted})
    yield logged(
        "release.not_after",
        "The release has expired by a second",
        "ATK-060",
        release=statement(MEASUREMENT, notAfter="2026-11-21T11:59:59Z"),
    )
    yield logged(
        "release.expected_evidence",
        "The release promises VMPL 1, and the report is from VMPL 0",
        "ATK-011",
        release=statement(MEASUREMENT, expectedEvidence=PROMISED | {"vmpls": [1]}),
    )
    yield logged(
        "release.measurement",
        "Other code runs than the release states",
        "ATK-096",
        release=statement(b"\x12" * 48),
    )


def identities() -> Iterator[Case]:
    """Signatures in Sigstore's way."""
    payload = parse_envelope(_ENTRY).payload
    held = {"release_sigstore": encoded(sigstore_bundle(payload))}
    roots = vendor().roots | {"trusted_root.json": encoded(trusted_root())}
    named = {"identity": IDENTITY.identity, "issuer": IDENTITY.issuer}
    yield logged(
        None,
        "A key and a Sigstore identity of the policy signed the release",
        what="accepted-sigstore-identity",
        spec=("Sigstore bundle v0.3",),
        release=statement(MEASUREMENT),
        held=held,
        changed={"release": {"identities": [named]}},
        roots=roots,
    )
    stranger = named | {"identity": "https://stranger.invalid/"}
    yield logged(
        "release.identity",
        "Another Sigstore identity signed the release",
        "ATK-096",
        release=statement(MEASUREMENT),
        held=held,
        changed={"release": {"identities": [stranger]}},
        roots=roots,
    )


def _enrolled(digest: bytes, **predicate: Any) -> dict[str, Any]:
    whole = {
        "operator": "fixtures.invalid/cloud",
        "hosts": [{"name": "rack-1/1", "product": "Milan"}],
        "notBefore": "2026-11-21T00:00:00Z",
        "notAfter": "2027-11-21T00:00:00Z",
    }
    return stated("host-identity", {"rack-1/1": digest}, whole | predicate)


def _hosted(check: str | None, title: str, raw: bytes, *attacks: str, **case: Any) -> Case:
    log = Log((_ENTRY, raw))
    held = {
        "release_entry": _ENTRY,
        "release_proof": log.proof(0),
        "host_identity_entry": raw,
        "host_identity_proof": log.proof(1),
    }
    text = rules(hosts="enrolled") + (
        b'[hosts]\noperator = "fixtures.invalid/cloud"\n'
        b'publishers = ["' + str(_OPERATOR.key.vkey).encode() + b'"]\npublisher_threshold = 1\n'
    )
    return logged(check, title, *attacks, held=held, policy=text, **case)


def hosts() -> Iterator[Case]:
    """The operator's word about its machines."""
    here = host_digest(product="Milan", hw_id=vendor().hw_id)
    good = entry(_enrolled(here), by=_OPERATOR)
    yield _hosted(
        None,
        "The operator enrolled this chip",
        good,
        "ATK-006",
        "ATK-015",
        what="accepted-enrolled-host",
        spec=_CANONICAL,
    )
    yield _hosted(
        "host.format",
        "The entry is a release, and no host identity",
        entry(statement(MEASUREMENT), by=_OPERATOR),
        "ATK-006",
        **MALFORMED,
    )
    yield _hosted(
        "host.signature",
        "A stranger enrolled the chip",
        entry(_enrolled(here), by=_STRANGER),
        "ATK-006",
    )
    yield _hosted(
        "host.validity",
        "The enrolment has expired by a second",
        entry(_enrolled(here, notAfter="2026-11-21T11:59:59Z"), by=_OPERATOR),
        "ATK-006",
        "ATK-092",
    )
    elsewhere = host_digest(product="Milan", hw_id=b"\x77" * 64)
    yield _hosted(
        "host.enrolled",
        "A genuine chip that nobody enrolled",
        entry(_enrolled(elsewhere), by=_OPERATOR),
        "ATK-006",
        "ATK-015",
    )
