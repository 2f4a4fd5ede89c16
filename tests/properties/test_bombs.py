"""Evidence that is made to cost: cut off by its size or shape, before any signature is verified."""

from __future__ import annotations

import base64
import io
import json
import tarfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import pytest

from tests.making import NOW, bundle
from tests.properties.mutation_cases import Case, cases
from tests.properties.mutators import Found
from verifier.appraisal.appraise import appraise_bundle
from verifier.appraisal.findings import Finding, Status
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.evidence.bundle import MANIFEST, MAX_MEMBER, encode_manifest
from verifier.roots.snp_root import CaFacts, SnpRoot

MIB = 2**20
MAX_CPU_NS = 100_000_000
DEEP = b"[" * 500_000
# The whole bundle is in memory already; what judging it may add.
MAX_ADDED = 64 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class CountingCa(CaFacts):
    """Pinned facts that count what is verified under them."""

    verified: list[str]

    def verify_signature(self, signature: bytes, signed: bytes, *, what: str) -> None:
        self.verified.append(what)
        super(CountingCa, self).verify_signature(signature, signed, what=what)


def counting(root: SnpRoot, verified: list[str]) -> SnpRoot:
    def ca(facts: CaFacts) -> CountingCa:
        copied = {field.name: getattr(facts, field.name) for field in fields(facts)}
        return CountingCa(**copied, verified=verified)

    return replace(root, ark=ca(root.ark), signer=ca(root.signer))


def judge(found: Found, case: Case, verified: list[str]) -> Verdict:
    roots = tuple(counting(root, verified) for root in case.roots)
    return appraise_bundle(found, policy=case.policy, roots=roots, now=NOW, nonce=None)


_OTHER_PROOFS = ("host-identity-proof", "key-document")


def made(verdict: Verdict) -> dict[str, Finding]:
    """The checks that were made, by id; of the proofs, those of the release's."""
    return {
        f.check: f
        for f in verdict.findings
        if f.status in (Status.PASS, Status.FAIL)
        and (f.source not in _OTHER_PROOFS or not f.check.startswith("log."))
    }


def nested_der(size: int) -> bytes:
    """SEQUENCEs in one another, as deep as ``size`` allows."""
    der = b""
    while len(der) < size:
        length = len(der).to_bytes(3)
        der = b"\x30\x83" + length + der
    return der


def many_lines(proof: bytes, line: bytes, count: int) -> bytes:
    head, _, rest = proof.partition(b"\n\n")
    return head + (b"\n" + line) * count + b"\n\n" + rest


def envelope(**members: object) -> bytes:
    return json.dumps(members, separators=(",", ":"), sort_keys=True).encode()


HASH = base64.b64encode(bytes(32))
BASE64 = base64.b64encode(bytes(11 * MIB)).decode()
BOMBS: dict[str, tuple[str, str, Callable[[bytes], bytes]]] = {
    "long report": ("snp-report", "snp.report.format", lambda _: bytes(MAX_MEMBER)),
    "report and more": (
        "snp-report",
        "snp.report.format",
        lambda raw: raw + bytes(MAX_MEMBER - 1184),
    ),
    "long certificate": ("snp-vek", "snp.vek.format", lambda raw: raw + bytes(8 * MIB)),
    "nested certificate": ("snp-vek", "snp.vek.format", lambda _: nested_der(4096)),
    "PEM certificate": ("snp-vek", "snp.vek.format", lambda _: b"-----BEGIN " + bytes(8 * MIB)),
    "long CRL": ("snp-crl", "snp.crl.format", lambda raw: raw + bytes(MAX_MEMBER - 4096)),
    "nested CRL": ("snp-crl", "snp.crl.format", lambda _: nested_der(65_000)),
    "long entry": ("release-entry", "release.format", lambda raw: raw + b" " * (8 * MIB)),
    "deep entry": ("release-entry", "release.format", lambda _: DEEP),
    "base64 in an entry": (
        "release-entry",
        "release.format",
        lambda _: envelope(payload=BASE64, payloadType="x", signatures=[]),
    ),
    "long proof": ("release-proof", "log.proof.format", lambda raw: raw + bytes(8 * MIB)),
    "many hashes": (
        "release-proof",
        "log.proof.format",
        lambda raw: many_lines(raw, HASH, 5_000),
    ),
    "huge index": (
        "release-proof",
        "log.proof.format",
        lambda raw: raw.replace(b"index 0", b"index " + b"9" * 100_000),
    ),
    "base64 in a proof": (
        "release-proof",
        "log.proof.format",
        lambda raw: raw.replace(b"\nindex", b"\nextra " + BASE64.encode()[: 9 * MIB] + b"\nindex"),
    ),
    "many signatures": (
        "release-proof",
        "log.checkpoint.signature",
        lambda raw: raw + (raw.rsplit(b"\n", 2)[1] + b"\n") * 5_000,
    ),
    "long nonce": ("nonce", "bundle.format", lambda _: bytes(MAX_MEMBER)),
    "long key document": ("key-document", "keys.format", lambda raw: raw + bytes(8 * MIB)),
    "long length in a key document": (
        "key-document",
        "keys.format",
        lambda raw: raw[:8] + b"\xff" * 4 + raw[12:],
    ),
    "long host identity": ("host-identity-entry", "host.format", lambda _: b"{" * (8 * MIB)),
}
SIGNATURES = {
    "snp.report.format": ("snp.vek.signature", "snp.report.signature"),
    "snp.vek.format": ("snp.vek.signature", "snp.report.signature"),
    "snp.crl.format": ("snp.crl.signature",),
    "release.format": ("release.signature",),
    "log.proof.format": ("log.checkpoint.signature", "log.witness.quorum"),
    "log.checkpoint.signature": ("log.witness.quorum",),
    "bundle.format": ("snp.vek.signature", "release.signature", "log.checkpoint.signature"),
    "host.format": ("host.signature",),
    "keys.format": ("keys.signature",),
}
"""What comes after a check, and may not have been tried where it fails."""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_cut_off_before_its_signature(name: str) -> None:
    role, check, bomb = BOMBS[name]
    case = cases()[0]
    found = bundle(case.contents | {role: bomb(case.contents[role])})
    verified: list[str] = []
    start = time.thread_time_ns()
    verdict = judge(found, case, verified)
    taken = time.thread_time_ns() - start
    assert verdict.outcome is Outcome.FAILED
    checks = made(verdict)
    assert checks[check].status is Status.FAIL
    assert not set(SIGNATURES[check]) & set(checks)
    assert len(checks[check].got) < 400
    assert taken < MAX_CPU_NS, taken
    if check in ("snp.report.format", "snp.vek.format", "bundle.format"):
        assert verified == []


def test_signatures_are_counted() -> None:
    verified: list[str] = []
    assert judge(cases()[0].files, cases()[0], verified).outcome is Outcome.VERIFIED
    assert verified == ["VEK certificate", "CRL"]


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_no_memory(name: str) -> None:
    role, _, bomb = BOMBS[name]
    case = cases()[0]
    found = bundle(case.contents | {role: bomb(case.contents[role])})
    tracemalloc.start()
    judge(found, case, [])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MAX_ADDED, peak


def tar_of(entries: int, size: int = 0) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number in range(entries):
            header = tarfile.TarInfo(f"m/{number:06}")
            header.size = size
            tar.addfile(header, io.BytesIO(bytes(size)))
    return file.getvalue()


def huge_member() -> bytes:
    header = tarfile.TarInfo(MANIFEST)
    header.size = 8**11 - 1
    return header.tobuf(format=tarfile.USTAR_FORMAT) + bytes(1024)


WHOLES: dict[str, Callable[[], Found]] = {
    "deep manifest": lambda: {MANIFEST: DEEP},
    "deep objects": lambda: {MANIFEST: b'{"a":' * 300_000},
    "long manifest": lambda: {MANIFEST: b'{"members":[' + b"{}," * 200_000 + b"{}]}"},
    "long string": lambda: {MANIFEST: b'"' + b"a" * (15 * MIB)},
    "many files": lambda: {MANIFEST: b"{}"} | {f"m/{n}": b"" for n in range(100_000)},
    "tar of many files": lambda: tar_of(20_000),
    "long tar of many files": lambda: tar_of(200, 200_000),
    "tar of a huge file": huge_member,
    "compressed tar": lambda: b"\x1f\x8b\x08" + bytes(MIB),
    "tar of nothing": lambda: bytes(60 * MIB),
}


@pytest.mark.parametrize("name", WHOLES)
def test_a_bundle_that_is_a_bomb_is_cut_off(name: str) -> None:
    found, verified = WHOLES[name](), list[str]()
    start = time.thread_time_ns()
    verdict = judge(found, cases()[0], verified)
    taken = time.thread_time_ns() - start
    assert verdict.outcome is Outcome.FAILED
    assert set(made(verdict)) == {"bundle.format"}
    assert verified == []
    assert taken < MAX_CPU_NS, taken


def test_many_ca_certificates_cost_their_digests_only() -> None:
    case = cases()[0]
    foreign = case.others["snp-ca"][0]
    contents = {f"m/{role}": (role, data) for role, data in case.contents.items()}
    contents |= {f"ca/{number}": ("snp-ca", foreign) for number in range(200)}
    files = {path: data for path, (_, data) in contents.items()}
    files[MANIFEST] = encode_manifest(contents, captured=NOW)
    verified: list[str] = []
    start = time.thread_time_ns()
    verdict = judge(files, case, verified)
    assert time.thread_time_ns() - start < MAX_CPU_NS
    assert made(verdict)["snp.chain.root"].status is Status.FAIL
    assert verified == ["VEK certificate"]  # the pinned signer's, once, whatever was offered
