"""A client that is given a proof which does not hold must refuse, and must have said nothing.

Once the proof is one of the keys, from a key CDN that lies: then nobody is asked for a token and
the relay hears nothing. Twice it is found out when the CVM has given its evidence: then what has
gone to the CVM is what goes there for evidence alone, to the byte.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from verifier.appraisal.drive.driven import Done, Seen
from verifier.appraisal.findings import Status
from verifier.client.web import Url
from verifier.drive.attempt import attempt
from verifier.drive.challenge import make_challenge
from verifier.drive.corrupted_proof import corrupted_proof
from verifier.drive.lab import CVM_HOPS, LOOPBACK, Lab
from verifier.drive.probes.asking import ClientAsked, Mark, sent_bytes
from verifier.drive.probes.watching import without_session_no_finding
from verifier.errors import FetchError, ParseError, VerificationError
from verifier.evidence.bundle import IntactBundle, open_bundle, parse_bundle
from verifier.library import NotVerifiedError
from verifier.wire.key_configuration import (
    KEYS_MEDIA_TYPE,
    LoggedConfiguration,
    encode_key_document,
    parse_key_document,
)

__all__ = ["probe_fail_closed"]

_CORRUPTED = ("release-proof", "key-document")
_LOG = "log."  # begins the names of the checks that a corrupted proof fails
_SETTLE_SECONDS = 0.5
_RECORD = struct.Struct("> B 2s H")  # RFC 8446 section 5.1: type, version, length
_APPLICATION = 23
_SERVE_SECONDS = 30.0
_MAX_REQUEST = 8192


def probe_fail_closed(lab: Lab) -> Mapping[str, Seen]:
    """Give a client corrupted proofs, and look at what leaves it."""
    if not lab.is_watched:
        return {}
    return {"drive.path.fail_closed": attempt(lambda: _closed(lab))}


def _closed(lab: Lab) -> Done:
    _refuses_keys(lab)
    before = Mark.of(lab)
    with lab.new_client() as client:
        with without_session_no_finding():
            client.connect()
        time.sleep(_SETTLE_SECONDS)
        bundle = open_bundle(parse_bundle(client.bundle))
        evidence = _application_bytes(lab, before)
    if not evidence:
        got = "none on the hops to the CVMs"
        raise FetchError("a session that is VERIFIED", expected="bytes inside TLS", got=got)
    for role in _CORRUPTED:
        before = Mark.of(lab)
        _refuses(lab, members=_corrupted(bundle, role))
        time.sleep(_SETTLE_SECONDS)
        sent = _application_bytes(lab, before)
        if sent != evidence:
            expected, got = f"{evidence} bytes, as for evidence alone", f"{sent} bytes"
            raise VerificationError(f"sent with a corrupted {role}", expected=expected, got=got)
    return Done(
        f"refused three corrupted proofs: nothing sent with one of the keys, and {evidence} bytes "
        "inside TLS with the others, as for evidence alone"
    )


def _refuses_keys(lab: Lab) -> None:
    before = Mark.of(lab)
    with _serving(_corrupted_keys(lab.fetch_keys())) as cdn:
        _refuses(lab, key_cdn=cdn)
    time.sleep(_SETTLE_SECONDS)
    for hop in ("client-issuer", "client-relay", *CVM_HOPS):
        if opened := len(before.since(lab, hop)):
            what = "sent with corrupted keys"
            raise VerificationError(what, expected="nothing", got=f"{opened} connections at {hop}")


def _refuses(lab: Lab, **given: Any) -> None:
    """Ask a client that was ``given`` something corrupted; it must refuse for that very reason."""
    with lab.new_client(**given) as client:
        try:
            ClientAsked(client).summarise(make_challenge().summary)
        except NotVerifiedError as error:
            failed = [f.check for f in error.verdict.findings if f.status is Status.FAIL]
            if any(check.startswith(_LOG) for check in failed):
                return
            raise
    raise VerificationError("client with a corrupted proof", expected="a refusal", got="an answer")


def _corrupted(bundle: IntactBundle, role: str) -> Mapping[str, tuple[str, bytes]]:
    (path,) = (member.path for member in bundle.members if member.role == role)
    content = bundle.contents[path]
    corrupt = _corrupted_keys if role == "key-document" else corrupted_proof
    return {path: (role, corrupt(content))}


def _corrupted_keys(document: bytes) -> bytes:
    return encode_key_document(
        tuple(
            LoggedConfiguration(each.entry, corrupted_proof(each.proof))
            for each in parse_key_document(document)
        )
    )


def _application_bytes(lab: Lab, before: Mark) -> int:
    """What clients have sent to CVMs since inside TLS, in bytes as they are encrypted."""
    recordings = [each for hop in CVM_HOPS for each in before.since(lab, hop)]
    return sum(_encrypted(sent_bytes((each,))) for each in recordings)


def _encrypted(sent: bytes) -> int:
    total, offset = 0, 0
    while offset < len(sent):
        if len(sent) - offset < _RECORD.size:
            raise ParseError("TLS", expected="whole records", got="a part of one")
        kind, _, size = _RECORD.unpack_from(sent, offset)
        offset += _RECORD.size + size
        total += size if kind == _APPLICATION else 0
    return total


@contextmanager
def _serving(document: bytes) -> Iterator[Url]:
    """A key CDN of our own on this machine, which gives ``document`` to whoever asks."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, document), daemon=True)
        thread.start()
        host, port = listener.getsockname()[:2]
        try:
            yield Url("http", host, port, "/")
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            thread.join(_SERVE_SECONDS)


def _serve(listener: socket.socket, document: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {KEYS_MEDIA_TYPE}\r\n"
    answer = f"{head}Content-Length: {len(document)}\r\n\r\n".encode() + document
    with suppress(OSError):
        while True:
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(_SERVE_SECONDS)
                peer.recv(_MAX_REQUEST)
                peer.sendall(answer)
