"""The open part of a recorded TLS connection: what both hellos say of keys, and what follows them.

Enough of RFC 8446 to tell whether a connection stays closed when long-lived keys become known: its
key is agreed on with fresh shares (section 4.2.8), no old secret is named (4.2.11), and after the
hellos there is nothing but protected records (5.2).
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.errors import ParseError, VerificationError

__all__ = ["GROUPS", "KeyAgreement", "Reader", "verify_hellos"]

GROUPS = {0x001D: "X25519", 0x0017: "secp256r1", 0x11EC: "X25519MLKEM768"}
"""Names of groups (RFC 8446 section 4.2.7; draft-ietf-tls-ecdhe-mlkem)."""

_HANDSHAKE, _CHANGE_CIPHER_SPEC, _APPLICATION = 22, 20, 23
_CLIENT_HELLO, _SERVER_HELLO = 1, 2
_KEY_SHARE, _PRE_SHARED_KEY, _EARLY_DATA, _SUPPORTED_VERSIONS = 51, 41, 42, 43
_TLS_1_3 = b"\x03\x04"
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_MAX_RECORD = 16_384 + 256  # RFC 8446 section 5.2
_WHAT = "recorded TLS"


@dataclass(frozen=True, slots=True)
class KeyAgreement:
    """The fresh shares of one connection; ``protected`` is how many records follow the hellos."""

    group: int
    client_share: bytes
    server_share: bytes
    protected: int

    @property
    def group_name(self) -> str:
        """The group in the words of its specification."""
        return GROUPS.get(self.group, f"group {self.group:#06x}")


class Reader:
    """Takes fields of known size off the front of bytes; ParseError where there are too few."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._offset = 0

    @property
    def is_at_end(self) -> bool:
        """Whether everything was taken."""
        return self._offset == len(self._raw)

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        taken = self._raw[self._offset : self._offset + size]
        if len(taken) != size:
            raise ParseError(_WHAT, expected=f"{size} more bytes", got=f"{len(taken)}")
        self._offset += size
        return taken

    def number(self, size: int) -> int:
        """The next ``size`` bytes as a number."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, width: int) -> bytes:
        """The next bytes behind their length, which has ``width`` bytes."""
        return self.take(self.number(width))


def verify_hellos(there: bytes, back: bytes) -> KeyAgreement:
    """What both directions of a connection agree on, with nothing in the open behind it.

    Raises ParseError for what is no TLS; VerificationError for another version than 1.3, a secret
    of an earlier connection, early data, or a record that is not protected.
    """
    asked, protected_there = _hellos(there, _CLIENT_HELLO)
    answered, protected_back = _hellos(back, _SERVER_HELLO)
    hellos = [_extensions(hello, client=True) for hello in asked]
    final = _extensions(answered[-1], client=False)
    for extensions in (*hellos, final):
        for number, name in ((_PRE_SHARED_KEY, "pre_shared_key"), (_EARLY_DATA, "early_data")):
            if number in extensions:
                raise VerificationError("TLS hello", expected="fresh keys alone", got=name)
    if final.get(_SUPPORTED_VERSIONS) != _TLS_1_3:
        got = final.get(_SUPPORTED_VERSIONS, b"").hex() or "an older version"
        raise VerificationError("version of TLS", expected=_TLS_1_3.hex(), got=got)
    if _KEY_SHARE not in final:
        raise VerificationError("TLS hello", expected="key_share", got="none from the server")
    share = Reader(final[_KEY_SHARE])
    group, server_share = share.number(2), share.vector(2)
    client_share = _shares(hellos[-1]).get(group)
    if client_share is None:
        got = f"{group:#06x}"
        raise VerificationError("group of the server", expected="one of the client", got=got)
    return KeyAgreement(group, client_share, server_share, protected_there + protected_back)


def _hellos(raw: bytes, kind: int) -> tuple[list[bytes], int]:
    """The bodies of the hellos of one direction, and how many protected records follow."""
    records, handshake, protected = Reader(raw), b"", 0
    while not records.is_at_end:
        record = records.number(1)
        records.take(2)
        fragment = records.vector(2)
        if len(fragment) > _MAX_RECORD:
            got = f"{len(fragment)} bytes"
            raise ParseError("TLS record", expected=f"at most {_MAX_RECORD} bytes", got=got)
        if record == _APPLICATION:
            protected += 1
        elif record == _HANDSHAKE and not protected:
            handshake += fragment
        elif record != _CHANGE_CIPHER_SPEC or fragment != b"\x01":
            expected, got = "protected records after the hellos", f"one of type {record}"
            raise VerificationError("TLS record", expected=expected, got=got)
    return _bodies(handshake, kind), protected


def _bodies(handshake: bytes, kind: int) -> list[bytes]:
    messages, bodies = Reader(handshake), []
    while not messages.is_at_end:
        message = messages.number(1)
        if message != kind:
            expected, got = f"a message of type {kind}", f"{message}"
            raise VerificationError("TLS handshake in the open", expected=expected, got=got)
        bodies.append(messages.vector(3))
    fewest = 1 if kind == _CLIENT_HELLO else 1 + sum(_is_retry(body) for body in bodies)
    if not fewest <= len(bodies) <= 2:
        got = f"{len(bodies)}"
        raise VerificationError("TLS hellos", expected="one, or a second after a retry", got=got)
    return bodies


def _is_retry(body: bytes) -> bool:
    return body[2:34] == _RETRY


def _extensions(body: bytes, *, client: bool) -> dict[int, bytes]:
    hello = Reader(body)
    hello.take(2 + 32)
    hello.vector(1)
    if client:
        hello.vector(2)
        hello.vector(1)
    else:
        hello.take(2 + 1)
    listed = Reader(b"" if hello.is_at_end else hello.vector(2))
    extensions: dict[int, bytes] = {}
    while not listed.is_at_end:
        number = listed.number(2)
        extensions[number] = listed.vector(2)
    return extensions


def _shares(hello: dict[int, bytes]) -> dict[int, bytes]:
    listed = Reader(Reader(hello.get(_KEY_SHARE, b"\x00\x00")).vector(2))
    shares: dict[int, bytes] = {}
    while not listed.is_at_end:
        group = listed.number(2)
        shares[group] = listed.vector(2)
    return shares
