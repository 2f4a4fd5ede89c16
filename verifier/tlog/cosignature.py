"""Cosignatures of witnesses, and opening a checkpoint against a policy (C2SP tlog-cosignature).

A log alone can show two people two trees. Witnesses cosign a checkpoint only if it extends the
last one that they cosigned, so a quorum of them makes a split view visible. What they sign is
written in ``verifier.tlog.timestamped_signature``.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.errors import VerificationError
from verifier.tlog.checkpoint import SignedCheckpoint, open_checkpoint, parse_checkpoint
from verifier.tlog.merkle import TreeHead
from verifier.tlog.note import VerificationKey, parse_note
from verifier.tlog.policy import PolicyWitness, TlogPolicy, verify_quorum
from verifier.tlog.strict import excerpt
from verifier.tlog.timestamped_signature import verify_timestamped_signature

__all__ = [
    "Cosignature",
    "CosignedCheckpoint",
    "open_cosignatures",
    "open_policy_checkpoint",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """A verified cosignature: the witness by its name in the policy, its key, its time.

    ``timestamp`` is in seconds since the epoch; 0 makes no statement about when.
    """

    witness: str
    key: VerificationKey
    timestamp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CosignedCheckpoint:
    """A checkpoint that its log signed and that meets the quorum. Made by ``open_cosignatures``.

    ``cosignatures`` has one for each witness of the policy that cosigned, in the policy's order.
    It is empty only under a policy that says ``quorum none``.
    """

    signed: SignedCheckpoint
    cosignatures: tuple[Cosignature, ...]

    @property
    def tree(self) -> TreeHead:
        """Size and root that log and witnesses signed."""
        return self.signed.tree

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self.signed.origin


def open_policy_checkpoint(raw: bytes, *, policy: TlogPolicy) -> SignedCheckpoint:
    """Read a checkpoint and verify that a log of ``policy`` signed it.

    Raises ParseError, and VerificationError, also if the origin is not a log of the policy.
    """
    origin = parse_checkpoint(parse_note(raw)).origin
    keys = policy.log_keys(origin)
    if not keys:
        names = sorted({key.name for key in policy.logs})
        expected = excerpt(" or ".join(names), 200) if names else "no log: the policy names none"
        raise VerificationError("origin of the checkpoint", expected=expected, got=excerpt(origin))
    return open_checkpoint(raw, keys=keys)


def open_cosignatures(signed: SignedCheckpoint, *, policy: TlogPolicy) -> CosignedCheckpoint:
    """Verify the cosignatures of the policy's witnesses and its quorum.

    Signatures of others are ignored; one bad signature of a witness of the policy rejects the
    checkpoint. Times are returned and not judged. Raises VerificationError, also if the policy
    names logs and no key of them signed.
    """
    if policy.policy_logs and not set(signed.keys).intersection(policy.logs):
        expected = "a log of the policy"
        raise VerificationError("log signature", expected=expected, got=excerpt(signed.origin))
    found = [_cosignature(signed, witness) for witness in policy.witnesses]
    cosignatures = tuple(cosignature for cosignature in found if cosignature is not None)
    names = frozenset(cosignature.witness for cosignature in cosignatures)
    verify_quorum(policy, cosigned=names)
    return CosignedCheckpoint(signed=signed, cosignatures=cosignatures)


def _cosignature(signed: SignedCheckpoint, witness: PolicyWitness) -> Cosignature | None:
    # A witness may have signed more than once; it counts once, at the latest of its times.
    times = [
        verify_timestamped_signature(
            signature,
            key=witness.key,
            text=signed.note.text,
            origin=signed.origin,
            tree=signed.tree,
        )
        for signature in signed.note.signatures_of(witness.key)
    ]
    if not times:
        return None
    return Cosignature(witness=witness.name, key=witness.key, timestamp=max(times))
