"""Asking one witness for its cosignatures (client of C2SP tlog-witness). Believes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus

import requests

from log_server.witness.request import SIZE_MEDIA_TYPE, encode_add_checkpoint
from verifier.errors import FetchError, ParseError, VerificationError
from verifier.tlog.checkpoint import SignedCheckpoint
from verifier.tlog.note import NoteSignature, parse_note
from verifier.tlog.policy import PolicyWitness
from verifier.tlog.strict import excerpt, parse_decimal, parse_utf8
from verifier.tlog.timestamped_signature import verify_timestamped_signature

__all__ = ["MAX_ANSWER", "WitnessEndpoint"]

MAX_ANSWER = 2**16
"""Longest answer that is read, in bytes: more than a dozen cosignatures of ML-DSA-44."""

_ATTEMPTS = 4  # the first, one after each resynchronisation; others may submit in between
_CHUNK = 512


class WitnessEndpoint:
    """One submission prefix, and the keys of the policy that answer there. One thread at a time."""

    def __init__(self, url: str, witnesses: tuple[PolicyWitness, ...], *, seconds: float) -> None:
        """``seconds`` bounds one whole request."""
        self.url = url
        self.witnesses = witnesses
        self._seconds = seconds
        self._session = requests.Session()
        self._old = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the policy."""
        return tuple(witness.name for witness in self.witnesses)

    def cosign(
        self, signed: SignedCheckpoint, *, prove: Callable[[int], tuple[bytes, ...]]
    ) -> dict[str, NoteSignature]:
        """Verified cosignatures over a checkpoint of our log, by witness name, at least one.

        ``prove`` gives the consistency proof from a size. Raises FetchError, ParseError,
        VerificationError.
        """
        size = signed.tree.size
        for _ in range(_ATTEMPTS):
            old = min(self._old, size)
            body = encode_add_checkpoint(old=old, proof=prove(old), checkpoint=signed.note.raw)
            status, media_type, answer = self._post(body)
            if status == HTTPStatus.OK:
                cosignatures = self._verified(signed, answer)
                self._old = size
                return cosignatures
            if status != HTTPStatus.CONFLICT or media_type != SIZE_MEDIA_TYPE:
                raise self._refused(status)
            self._old = self._stated_size(answer, size)
        raise FetchError(self.url, expected="200", got=f"409 {_ATTEMPTS} times")

    def _post(self, body: bytes) -> tuple[int, str, bytes]:
        url = f"{self.url.rstrip('/')}/add-checkpoint"
        end = time.monotonic() + self._seconds
        try:
            with self._session.post(
                url, data=body, timeout=self._seconds, stream=True, allow_redirects=False
            ) as response:
                content = bytearray()
                for chunk in response.iter_content(_CHUNK):
                    content += chunk
                    # A time-out of a socket is one of silence; this is one of the whole.
                    if time.monotonic() > end:
                        got = "a slow answer"
                        raise FetchError(url, expected=f"{self._seconds:g} s", got=got)
                    if len(content) > MAX_ANSWER:
                        raise FetchError(url, expected=f"at most {MAX_ANSWER} bytes", got="more")
                media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
                return response.status_code, media_type, bytes(content)
        except requests.RequestException as error:
            raise FetchError(url, expected="an answer", got=type(error).__name__) from error

    def _refused(self, status: int) -> FetchError | VerificationError:
        # Version 1.0.0 of tlog-witness said 409, without a size, where 422 is said now.
        if status in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
            return VerificationError(
                "consistency with what the witness cosigned",
                expected="200",
                got=f"{status}",
                hint="the witness knows another tree of this log: was it forked or rolled back?",
            )
        return FetchError(self.url, expected="200", got=str(status))

    def _stated_size(self, answer: bytes, size: int) -> int:
        what = "size cosigned last"
        text = parse_utf8(answer, what=what)
        stated = parse_decimal(text.removesuffix("\n"), what=what)
        if stated > size:
            raise VerificationError(
                what,
                expected=f"at most {size}",
                got=str(stated),
                hint="the witness knows a larger tree of this log: was it rolled back?",
            )
        return stated

    def _verified(self, signed: SignedCheckpoint, answer: bytes) -> dict[str, NoteSignature]:
        note = parse_note(f"{signed.note.text}\n".encode() + answer)
        if note.text != signed.note.text:
            # A blank line in the answer: what is above it would count as text.
            raise ParseError("answer", expected="cosignature lines", got=excerpt(answer))
        found = {}
        for witness in self.witnesses:
            for line in note.signatures_of(witness.key):
                time_said = verify_timestamped_signature(
                    line,
                    key=witness.key,
                    text=signed.note.text,
                    origin=signed.origin,
                    tree=signed.tree,
                )
                if time_said == 0:
                    what = f"cosignature of {witness.key.name}"
                    raise VerificationError(what, expected="a time other than 0", got="0")
                found[witness.name] = line
        if not found:
            expected = " or ".join(f"{w.key.name} {w.key.key_id.hex()}" for w in self.witnesses)
            got = " ".join(f"{excerpt(one.name)} {one.key_id.hex()}" for one in note.signatures[:3])
            raise VerificationError("cosignature", expected=expected, got=got)
        return found
