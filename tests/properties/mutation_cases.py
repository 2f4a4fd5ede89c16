"""Accepted bundles to mutate, and for each role what others could put in its place.

The policies pin whatever can be pinned, so that a report which the genuine chip signs anew, with
one judged field changed, must not pass either.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key

from pipeline.platform.simulated_report import encode_signed_part, sign_report
from tests.key_documents import key_document, key_entries, keys_section
from tests.making import (
    NOW,
    ORIGIN,
    Log,
    bundle,
    changed,
    entry,
    policy,
    publisher,
    statement,
)
from tests.synthetic_amd import CSP_ID, TCBS, SyntheticAmd, chip_key, synthetic_amd
from tests.synthetic_hcl import PCRS, container, quote, sign
from tests.verifier.release.stating import stated
from tests.verifier.tlog.signing import witness
from verifier.appraisal.policy import Policy, parse_policy
from verifier.evidence.report_data import report_data_of_nonce
from verifier.evidence.snp_bits import PLATFORM_BITS
from verifier.evidence.tcb import Product, Tcb
from verifier.evidence.vek_certificate import VekKind
from verifier.release.subject import host_digest
from verifier.roots.snp_root import SnpRoot
from verifier.tlog.checkpoint import Checkpoint, encode_checkpoint
from verifier.tlog.note import NoteSignature, encode_note
from verifier.tlog.proof import TlogProof, encode_tlog_proof, parse_tlog_proof
from verifier.wire.key_configuration import LoggedConfiguration, encode_key_document

NONCE = bytes(range(32))
MEASUREMENT = b"\x11" * 48
OPERATOR = publisher("fixtures.invalid/operator", b"O" * 32)
STRANGER = publisher("fixtures.invalid/stranger", b"S" * 32)
WITNESSES = ("witness.invalid/one", "witness.invalid/two", "witness.invalid/three")
FIELDS: dict[str, Any] = {
    "report_data": report_data_of_nonce(NONCE),
    "measurement": MEASUREMENT,
    "policy": 0x20000,
    "guest_svn": 3,
    "host_data": b"\x44" * 32,
    "family_id": b"\x45" * 16,
    "image_id": b"\x46" * 16,
    "id_key_digest": b"\x47" * 48,
    "author_key_digest": b"\x48" * 48,
    "mitigations": (3, 3),
}
_AUTHOR_KEY = 1
_VLEK = 1 << 2


@dataclass(frozen=True)
class Case:
    """One accepted bundle, its policy and roots, and what else may stand in each role."""

    name: str
    contents: dict[str, bytes]
    policy: Policy
    roots: tuple[SnpRoot, ...]
    amd: SyntheticAmd
    others: dict[str, tuple[bytes, ...]]

    @property
    def files(self) -> dict[str, bytes]:
        """The bundle, unchanged."""
        return bundle(self.contents)


@functools.cache
def other_chip_key() -> Any:
    return generate_private_key(SECP384R1())


def report(amd: SyntheticAmd, **changes: Any) -> bytes:
    """A report as the policies want it, signed by the chip, with ``changes``."""
    key_info = _AUTHOR_KEY | (_VLEK if amd.vendor.kind is VekKind.VLEK else 0)
    return amd.report(**(FIELDS | {"key_info": key_info} | changes))


def rules(amd: SyntheticAmd, log: Log, **changes: Any) -> bytes:
    """A policy that pins every field that can be pinned."""
    product, tcb = amd.vendor.product, TCBS[amd.vendor.product]
    floor = {"bootloader": tcb.bootloader, "tee": tcb.tee, "snp": tcb.snp}
    floor |= {"microcode": tcb.microcode} | ({} if tcb.fmc is None else {"fmc": tcb.fmc})
    by_provider = amd.vendor.kind is VekKind.VLEK
    pinned: dict[str, Any] = {
        "products": [str(product)],
        "report_versions": [5],
        "signing_keys": [str(amd.vendor.kind)],
        "csp_ids": [CSP_ID.decode()] if by_provider else [],
        "crl": "fresh",
        "smt": "forbidden",
        "platform_info_required": ["ECC_EN", "ALIAS_CHECK_COMPLETE"],
        "platform_info_forbidden": [
            name for bit, name in PLATFORM_BITS.items() if not 0x24 >> bit & 1
        ],
        "mitigations": {str(product): "0x3"},
        "minimum_guest_svn": 3,
        "report_data": "nonce",
        "host_data": [("44" * 32)],
        "family_id": ["45" * 16],
        "image_id": ["46" * 16],
        "id_key": ["47" * 48],
        "author_key": ["48" * 48],
        "chip_ids": [(bytes(64) if by_provider else amd.hw_id.ljust(64, b"\0")).hex()],
        "advisories": {
            "accepted": ["heracles", "CVE-2024-21944", "CVE-2024-56161", "CVE-2023-20585"],
            "undecidable": "allowed",
            "maximum_age_days": 3650,
        },
    }
    require = changes.pop("require", ("evidence", "log", "release"))
    text = policy(log, require=require, floors={str(product): floor}, **(pinned | changes))
    quorum = "".join(f"witness w{n} {witness(name).key}\n" for n, name in enumerate(WITNESSES))
    return text.replace(b"quorum none", f"{quorum}group g 2 w0 w1 w2\nquorum g".encode())


def witnessed(log: Log, index: int, *, by: tuple[str, ...] = WITNESSES[:2]) -> bytes:
    """A proof whose checkpoint the log and some witnesses signed."""
    plain = parse_tlog_proof(log.proof(index))
    said = Checkpoint(origin=ORIGIN, tree=log.tree, extensions=())
    text = encode_checkpoint(said)
    signature = log.private.sign(text.encode())
    own = NoteSignature(name=ORIGIN, key_id=log.key.key_id, signature=signature)
    note = encode_note(text, (own, *(witness(name).cosign(said) for name in by)))
    return encode_tlog_proof(
        TlogProof(index=index, hashes=plain.hashes, checkpoint_raw=note, extra=None)
    )


@functools.cache
def cases() -> tuple[Case, ...]:
    """A logged release on an enrolled Milan chip; Turin; a VLEK; Azure's container."""
    return (_whole(), _alone("turin", synthetic_amd(Product.TURIN)), _vlek(), _azure())


def _enrolled(digest: bytes) -> bytes:
    predicate = {
        "operator": "fixtures.invalid/cloud",
        "hosts": [{"name": "rack-1/1", "product": "Milan"}],
        "notBefore": "2026-11-21T00:00:00Z",
        "notAfter": "2027-11-21T00:00:00Z",
    }
    return entry(stated("host-identity", {"rack-1/1": digest}, predicate), by=OPERATOR)


def _key_document(log: Log, *indices: int) -> bytes:
    return encode_key_document(
        tuple(LoggedConfiguration(log.entries[i], witnessed(log, i)) for i in indices)
    )


def _whole() -> Case:
    amd = synthetic_amd()
    release, document = entry(statement(MEASUREMENT)), statement(MEASUREMENT)
    host = _enrolled(host_digest(product="Milan", hw_id=amd.hw_id))
    logged = (
        release,
        host,
        entry(changed(document, "predicate/role", "guard")),
        entry(changed(document, "predicate/securityVersion", 2)),
        entry(changed(document, "predicate/notAfter", "2026-01-01T00:00:00Z")),
        entry(statement(b"\x12" * 48)),
        entry(by=STRANGER),
        _enrolled(host_digest(product="Milan", hw_id=b"\x77" * 64)),
    )
    keys = (len(logged), len(logged) + 1)
    log = Log((*logged, *key_entries()))
    require = ("evidence", "keys", "log", "release")
    text = (
        rules(amd, log, hosts="enrolled", require=require)
        + keys_section()
        + (
            b'[hosts]\noperator = "fixtures.invalid/cloud"\n'
            b'publishers = ["' + str(OPERATOR.key.vkey).encode() + b'"]\npublisher_threshold = 1\n'
        )
    )
    contents = _evidence(amd) | {
        "snp-ca": amd.vendor.ark.certificate,
        "release-entry": release,
        "release-proof": witnessed(log, 0),
        "host-identity-entry": host,
        "host-identity-proof": witnessed(log, 1),
        "key-document": _key_document(log, *keys),
    }
    proofs = (
        *(witnessed(log, index) for index in range(2, len(logged))),
        log.proof(0),
        log.proof(1),
        witnessed(log, 0, by=WITNESSES[:1]),
        witnessed(log, 0, by=("witness.invalid/stranger", *WITNESSES[:1])),
        witnessed(Log(logged, seed=b"F" * 32), 0),
    )
    others = _other_evidence(amd) | {
        "snp-ca": (synthetic_amd(swapped=True).vendor.ark.certificate,),
        "release-entry": (*logged[1:], entry(document, by=STRANGER)),
        "release-proof": (witnessed(log, 1), *proofs),
        "key-document": (key_document(log, *keys), _key_document(log, *keys[:1])),
        "host-identity-entry": (release, *logged[2:]),
        "host-identity-proof": (witnessed(log, 0), *proofs),
    }
    return Case("whole", contents, parse_policy(text), (amd.root,), amd, others)


def _alone(name: str, amd: SyntheticAmd) -> Case:
    text = rules(amd, Log(()), require=("evidence",), measurement=[MEASUREMENT.hex()])
    return Case(name, _evidence(amd), parse_policy(text), (amd.root,), amd, _other_evidence(amd))


def _vlek() -> Case:
    return _alone("vlek", synthetic_amd(Product.MILAN, VekKind.VLEK))


def _azure() -> Case:
    amd = synthetic_amd()
    # The container is made around a report of its own, so less of that is pinned.
    text = policy(
        require=("evidence",),
        crl="fresh",
        report_data="hcl",
        measurement=[MEASUREMENT.hex()],
        hcl={"quote": "nonce", "pcrs": {str(n): PCRS[n].hex() for n in range(24)}},
    )
    contents = {
        "snp-hcl": container(),
        "snp-vek": amd.vek(),
        "snp-crl": amd.crl(),
        "snp-tpm-quote": quote(),
        "snp-tpm-signature": sign(quote()),
        "snp-tpm-pcrs": b"".join(PCRS),
        "nonce": NONCE,
    }
    stale = quote(extra=b"\x01" * 32)  # of a nonce that no bundle here records
    others = {role: _other_evidence(amd)[role] for role in ("snp-vek", "snp-crl", "nonce")} | {
        "snp-hcl": (report(amd), contents["snp-hcl"] + b"\1"),
        "snp-tpm-quote": (stale, quote(safe=0), quote(digest=bytes(32))),
        "snp-tpm-signature": (sign(stale), sign(quote(digest=bytes(32)))),
        "snp-tpm-pcrs": (bytes(768), b"".join(reversed(PCRS))),
    }
    return Case("azure", contents, parse_policy(text), (amd.root,), amd, others)


def _evidence(amd: SyntheticAmd) -> dict[str, bytes]:
    return {
        "snp-report": report(amd),
        "snp-vek": amd.vek(),
        "snp-crl": amd.crl(),
        "nonce": NONCE,
    }


def _other_evidence(amd: SyntheticAmd) -> dict[str, tuple[bytes, ...]]:
    """What others have: chips, levels, products, vendors; and what AMD gave at other times."""
    product, tcb = amd.vendor.product, amd.tcb
    strangers = [
        synthetic_amd(line, kind, swapped=swapped)
        for line in Product
        for kind in VekKind
        for swapped in (False, True)
        if (line, kind, swapped) != (product, amd.vendor.kind, False)
    ]
    other: dict[str, Any] = (
        {"identity": bytes(reversed(amd.hw_id))}
        if amd.vendor.kind is VekKind.VCEK
        else {"identity": b"CN=another.invalid"}
    )
    older: Tcb = replace(tcb, microcode=tcb.microcode - 1)
    by_other_chip = sign_report(
        encode_signed_part(amd.fields(**FIELDS, chip_id=bytes(reversed(amd.hw_id)))),
        key=other_chip_key(),
    )
    day = timedelta(days=1)
    return {
        "snp-report": (
            by_other_chip,
            sign_report(encode_signed_part(amd.fields(**FIELDS)), key=other_chip_key()),
            *(stranger.report(**FIELDS) for stranger in strangers),
        ),
        "snp-vek": (
            amd.vek(**other),
            amd.vek(**other, key=other_chip_key()),
            amd.vek(key=other_chip_key()),
            amd.vek(tcb=older),
            amd.vek(start=NOW + day),
            *(stranger.vek() for stranger in strangers),
        ),
        "snp-crl": (
            amd.crl(this_update=NOW - 400 * day, next_update=NOW - 35 * day),
            amd.crl(this_update=NOW + day),
            amd.crl(revoked=((amd.root.signer.serial, NOW + day),)),
            amd.crl(revoked=((amd.root.ark.serial, NOW - day),)),
            amd.crl(key=amd.vendor.signer.key),
            *(stranger.crl() for stranger in strangers if _foreign_ark(stranger, amd)),
        ),
        "nonce": (bytes(32), NONCE[:31], NONCE + b"\0"),
    }


def _foreign_ark(stranger: SyntheticAmd, amd: SyntheticAmd) -> bool:
    return stranger.root.ark.modulus != amd.root.ark.modulus or (
        stranger.root.ark.subject != amd.root.ark.subject
    )


def signed_anew(case: Case, offset: int, patch: bytes) -> bytes:
    """The report of ``case`` with ``patch`` at ``offset``, signed by the genuine chip."""
    signed = bytearray(case.contents["snp-report"][:672])
    signed[offset : offset + len(patch)] = patch
    return sign_report(bytes(signed), key=chip_key())


def forged(case: Case, offset: int, patch: bytes) -> bytes:
    """The same, signed by somebody else's key."""
    signed = bytearray(case.contents["snp-report"][:672])
    signed[offset : offset + len(patch)] = patch
    return sign_report(bytes(signed), key=other_chip_key())
