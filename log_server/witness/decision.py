"""Whether to cosign: from the bytes of a request and the tree cosigned last. Pure.

=====================================================  ======  =================================
case                                                   status  raised
=====================================================  ======  =================================
malformed, or old size beyond the checkpoint's         400     ParseError
no signature of a key of this log, or a bad one        403     VerificationError
origin is no log of this witness                       404     NotFoundError
old size is not the one cosigned last                  409     StaleSizeError
not an extension, or the same size with another root   422     InconsistentError
=====================================================  ======  =================================

Source: C2SP tlog-witness, main of 2026-07-06 (95978ca); v1.0.0 answers 409 for the same size with
another root.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from log_server.errors import NotFoundError
from log_server.witness.errors import InconsistentError, StaleSizeError
from log_server.witness.request import parse_add_checkpoint
from verifier.errors import VerificationError
from verifier.tlog.checkpoint import SignedCheckpoint, open_checkpoint
from verifier.tlog.merkle import EMPTY_ROOT, TreeHead, verify_consistency
from verifier.tlog.note import VerificationKey
from verifier.tlog.strict import excerpt

__all__ = ["NOTHING_COSIGNED", "Logs", "Offer", "decide", "open_offer", "verify_extension"]

Logs = Mapping[str, tuple[VerificationKey, ...]]
"""The logs of a witness: origin to keys."""

NOTHING_COSIGNED = TreeHead(0, EMPTY_ROOT)
"""What counts as cosigned last before anything is: every tree extends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A checkpoint that a known log signed, offered with a proof. Made by ``open_offer``."""

    old: int
    proof: tuple[bytes, ...]
    signed: SignedCheckpoint


def decide(body: bytes, *, logs: Logs, last: Callable[[str], TreeHead]) -> Offer:
    """The checkpoint of a request, if it may be cosigned.

    ``last`` gives the tree cosigned last for an origin. Raises what the table above says.
    """
    offer = open_offer(body, logs=logs)
    verify_extension(offer, last=last(offer.signed.origin))
    return offer


def open_offer(body: bytes, *, logs: Logs) -> Offer:
    """What can be told without the past. Raises ParseError, NotFoundError, VerificationError.

    InconsistentError if a tree of size 0 has entries.
    """
    request = parse_add_checkpoint(body)
    keys = logs.get(request.checkpoint.origin)
    if keys is None:
        got = excerpt(request.checkpoint.origin)
        raise NotFoundError("origin", expected="a log of this witness", got=got)
    tree = request.checkpoint.tree
    if tree.size == 0 and tree.root != EMPTY_ROOT:
        what = "root of the empty tree"
        raise InconsistentError(what, expected=EMPTY_ROOT.hex(), got=tree.root.hex())
    signed = open_checkpoint(request.note.raw, keys=keys)
    return Offer(old=request.old, proof=request.proof, signed=signed)


def verify_extension(offer: Offer, *, last: TreeHead) -> None:
    """Check that the offered tree extends ``last``. Raises StaleSizeError, InconsistentError."""
    new = offer.signed.tree
    if offer.old != last.size:
        raise StaleSizeError(size=last.size, got=offer.old)
    if last.size in (0, new.size):
        if offer.proof:
            got = f"{len(offer.proof)} hashes"
            raise InconsistentError("consistency proof", expected="0 hashes", got=got)
        if last.size == new.size and last.root != new.root:
            raise InconsistentError(
                f"root of size {new.size}", expected=last.root.hex(), got=new.root.hex(), fork=True
            )
        return
    try:
        verify_consistency(old=last, new=new, proof=offer.proof)
    except VerificationError as error:
        raise InconsistentError(error.what, expected=error.expected, got=error.got) from error
