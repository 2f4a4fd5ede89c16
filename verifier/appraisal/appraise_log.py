"""Appraises the log's word: the checkpoint, its witnesses, and that the entry is in the tree.

The steps and their order are those of C2SP tlog-proof, "Verification": log signature, witness
quorum, inclusion. The tree size and the root come from the signed checkpoint and nowhere else.
"""

from __future__ import annotations

from verifier.appraisal.ledger import Ledger
from verifier.appraisal.policy import LogPolicy
from verifier.tlog.checkpoint import SignedCheckpoint
from verifier.tlog.cosignature import (
    CosignedCheckpoint,
    open_cosignatures,
    open_policy_checkpoint,
)
from verifier.tlog.merkle import leaf_hash, verify_inclusion
from verifier.tlog.proof import TlogProof, parse_tlog_proof

__all__ = ["LOG_CHECKS", "RELEASE_PROOF", "appraise_log"]

LOG_CHECKS = (
    "log.proof.format",
    "log.checkpoint.signature",
    "log.witness.quorum",
    "log.inclusion",
)
"""The checks that a policy requires with the stage ``log``, in the order in which they are made."""

RELEASE_PROOF = "release-proof"
"""Role of the member that proves that the release is logged."""


def appraise_log(
    ledger: Ledger, *, entry: bytes, proof: bytes, policy: LogPolicy, source: str = RELEASE_PROOF
) -> None:
    """Record a finding for each of ``LOG_CHECKS``: is ``entry`` in the log that counts.

    ``source`` is the role of the bundle member that holds the proof.
    """
    parsed = ledger.attempt(
        "log.proof.format",
        lambda: parse_tlog_proof(proof),
        expected="a .tlog-proof",
        got=lambda p: f"index {p.index}, {len(p.hashes)} hashes",
        source=source,
    )
    if parsed is None:
        ledger.skip(LOG_CHECKS[1:], reason="the proof could not be read", source=source)
        return
    signed = _open_checkpoint(ledger, parsed, policy, source)
    if signed is None:
        ledger.skip(LOG_CHECKS[2:], reason="the checkpoint is not authentic", source=source)
        return
    _check_quorum(ledger, signed, policy, source)
    _check_inclusion(ledger, parsed, signed, entry, source)


def _open_checkpoint(
    ledger: Ledger, proof: TlogProof, policy: LogPolicy, source: str
) -> SignedCheckpoint | None:
    return ledger.attempt(
        "log.checkpoint.signature",
        lambda: open_policy_checkpoint(proof.checkpoint_raw, policy=policy.tlog),
        expected=" or ".join(str(key) for key in policy.tlog.logs),
        got=lambda s: f"{s.checkpoint.origin} size {s.tree.size} root {s.tree.root.hex()}",
        source=source,
        hint="the policy names which log counts; a proof from another log proves nothing here",
    )


def _check_quorum(ledger: Ledger, signed: SignedCheckpoint, policy: LogPolicy, source: str) -> None:
    ledger.attempt(
        "log.witness.quorum",
        lambda: open_cosignatures(signed, policy=policy.tlog),
        expected=f"quorum {policy.tlog.quorum or 'none'}",
        got=lambda c: _cosigners(c, policy),
        source=source,
    )


def _cosigners(cosigned: CosignedCheckpoint, policy: LogPolicy) -> str:
    names = ", ".join(cosignature.witness for cosignature in cosigned.cosignatures)
    if policy.tlog.quorum is None:
        return f"{names or 'none'}; the policy asks for none, so a split view would not show"
    return names


def _check_inclusion(
    ledger: Ledger, proof: TlogProof, signed: SignedCheckpoint, entry: bytes, source: str
) -> None:
    ledger.attempt(
        "log.inclusion",
        lambda: verify_inclusion(
            leaf=leaf_hash(entry), index=proof.index, proof=proof.hashes, tree=signed.tree
        ),
        expected=f"root {signed.tree.root.hex()}",
        got=lambda _: f"the same, from leaf {leaf_hash(entry).hex()} at index {proof.index}",
        source=source,
    )
