"""TLS from a client to the end of its tunnel: what the gateway carries is one session of theirs."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from OpenSSL import SSL

from pipeline.node.tls import TlsStream, make_context, make_identity
from tests.pipeline.gateway.test_gateway import token
from tests.pipeline.roles import AUTHORITY, SECONDS, Client, PathKeys, listening, running
from verifier.drive.tap import Direction, tapping
from verifier.wire.attested_tls import EXPORTER_LABEL, EXPORTER_SIZE
from verifier.wire.tunnel import ContinueTunnel, OpenTunnel
from verifier.wire.tunnel_answer import TunnelAnswer

CONTEXT = make_context(make_identity("summariser"))
NONCE = bytes(32)


def answer(peer: socket.socket) -> None:
    """A CVM that answers with its end of the session's exporter, and what it was told."""
    stream = TlsStream(CONTEXT, peer.dup())
    deadline = time.monotonic() + SECONDS
    stream.shake_hands(deadline=deadline)
    told = stream.receive(deadline=deadline)
    stream.send(stream.export(NONCE) + told.upper() * 3000, deadline=deadline)
    stream.close()


class Tunnelled:
    """The client's end of TLS, whose records travel as a tunnel's."""

    def __init__(self, client: Client, keys: PathKeys) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self.tls = SSL.Connection(context, None)
        self.tls.set_connect_state()
        self._client, self._keys = client, keys
        self._tunnel, self._sequence = b"", 0

    def turn(self) -> None:
        """Bring our records there, and back what there is."""
        try:
            records = self.tls.bio_read(65_536)
        except SSL.WantReadError:
            records = b""
        if not self._tunnel:
            reply = self._client.ask(OpenTunnel(AUTHORITY, token(self._keys), records))
        else:
            self._sequence += 1
            request = ContinueTunnel(AUTHORITY, self._tunnel, self._sequence, records)
            reply = self._client.ask(request)
        assert isinstance(reply, TunnelAnswer), reply
        self._tunnel = reply.tunnel
        if reply.records:
            self.tls.bio_write(reply.records)

    def shake_hands(self) -> None:
        while True:
            try:
                return self.tls.do_handshake()
            except SSL.WantReadError:
                self.turn()

    def receive(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            try:
                content += self.tls.recv(65_536)
            except SSL.WantReadError:
                self.turn()
        return content


def test_both_ends_are_in_one_session_and_nobody_between_reads_it(
    path_keys: PathKeys, tmp_path: Path
) -> None:
    canary = b"canary of a client "
    with listening(answer) as cvm, tapping(limit=1_000_000) as tap:
        tap.forward_to(cvm.address)
        options = path_keys.gateway_options(tmp_path / "spent.sqlite", [tap.address])
        with running("gateway", *options, folder=tmp_path) as gateway:
            session = Tunnelled(Client(gateway.url, path_keys.ohttp), path_keys)
            session.shake_hands()
            session.tls.send(canary)
            heard = session.receive(EXPORTER_SIZE + 3000 * len(canary))
            own = session.tls.export_keying_material(EXPORTER_LABEL, EXPORTER_SIZE, NONCE)
            (recording,) = tap.recordings()
    assert session.tls.get_protocol_version_name() == "TLSv1.3"
    assert heard == own + 3000 * canary.upper()
    for direction in Direction:
        passed = recording.content(direction)
        assert passed[0] == 0x16  # a TLS handshake record
        assert canary.strip().lower() not in passed.lower()
