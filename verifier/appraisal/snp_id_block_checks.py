"""Holds the ID block of a guest against its report: step B7.

Source: SNP firmware ABI (AMD publication 56860), SNP_LAUNCH_FINISH.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from verifier.appraisal.findings import compared
from verifier.appraisal.ledger import Ledger
from verifier.evidence.id_block import (
    IdAuthentication,
    IdBlock,
    parse_id_authentication,
    parse_id_block,
)
from verifier.evidence.snp_report import AttestationReport

__all__ = ["ID_BLOCK_CHECKS", "appraise_id_block"]

ID_BLOCK_CHECKS = ("snp.id_block.format", "snp.id_block.signature", "snp.id_block.fields")
"""What is checked where a policy demands the ID block, in this order."""

_SOURCE = "snp-id-block"


@dataclass(frozen=True, slots=True)
class _Pair:
    block: IdBlock
    authentication: IdAuthentication


def appraise_id_block(
    ledger: Ledger, *, block: bytes | None, authentication: bytes | None, report: AttestationReport
) -> None:
    """Record a finding for each of ``ID_BLOCK_CHECKS``."""
    if block is None or authentication is None:
        role = "snp-id-block" if block is None else "snp-id-authentication"
        ledger.missing(ID_BLOCK_CHECKS, role=role)
        return
    pair = ledger.attempt(
        "snp.id_block.format",
        lambda: _Pair(parse_id_block(block), parse_id_authentication(authentication)),
        expected="an ID block of version 1, and its ID authentication",
        got=lambda p: f"ID key {p.authentication.id_key.digest.hex()}",
        source=_SOURCE,
    )
    if pair is None:
        ledger.skip(ID_BLOCK_CHECKS[1:], reason="the ID block could not be read", source=_SOURCE)
        return
    ledger.attempt(
        "snp.id_block.signature",
        lambda: _verify(pair),
        expected="signatures of the ID key, and of the author key if there is one",
        got=lambda signed: signed,
        source=_SOURCE,
    )
    faults = tuple(_differences(pair, report))
    ledger.record(
        [
            compared(
                "snp.id_block.fields",
                holds=not faults,
                expected="the report's values",
                got="; ".join(faults) if faults else "equal",
                source=_SOURCE,
                hint="this ID block is not the one that the guest was launched with",
            )
        ]
    )


def _verify(pair: _Pair) -> str:
    who = pair.authentication
    who.id_key.verify_signature(who.id_block_signature, pair.block.raw, what="ID block")
    if who.author_key is None or who.id_key_signature is None:
        return "the ID key signed the block; there is no author key"
    who.author_key.verify_signature(who.id_key_signature, who.id_key.raw, what="ID key")
    return "the ID key signed the block, the author key the ID key"


def _differences(pair: _Pair, report: AttestationReport) -> Iterator[str]:
    block, who = pair.block, pair.authentication
    author = who.author_key.digest if who.author_key is not None else bytes(48)
    rows = (
        ("launch digest", block.launch_digest.hex(), report.measurement.hex()),
        ("FAMILY_ID", block.family_id.hex(), report.family_id.hex()),
        ("IMAGE_ID", block.image_id.hex(), report.image_id.hex()),
        ("GUEST_SVN", str(block.guest_svn), str(report.guest_svn)),
        ("POLICY", f"{block.policy:#x}", f"{report.policy:#x}"),
        ("ID_KEY_DIGEST", who.id_key.digest.hex(), report.id_key_digest.hex()),
        ("AUTHOR_KEY_DIGEST", author.hex(), report.author_key_digest.hex()),
        ("AUTHOR_KEY_EN", f"{who.author_key is not None:d}", f"{report.author_key_enabled:d}"),
    )
    for name, stated, observed in rows:
        if stated != observed:
            yield f"{name} {stated}, but the report has {observed}"
