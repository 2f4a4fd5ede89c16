"""A whole private path for the attested client: real roles and a real node, each a process."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import making
from tests.key_documents import OPERATOR, keys_section
from tests.pipeline.roles import AUTHORITY, ISSUER_NAME, PathKeys, Running, running
from tests.verifier.drive import deployed
from verifier.cli.publishing import Publisher, sign_statement
from verifier.client.client import AttestedClient
from verifier.client.deployment import parse_deployment
from verifier.client.endpoint import DirectEndpoint, Endpoint
from verifier.client.feature import Feature
from verifier.client.path import PrivatePath
from verifier.drive.tap import Direction, Tap, tapping
from verifier.roots.snp_root import SnpRoot

CHAT = (
    ("Ana", "The launch is on Friday, and the tickets are booked."),
    ("Bo", "The tickets for the launch are with Ana."),
    ("Cy", "I will bring a cake to the launch on Friday."),
)
CANARY = b"tickets"
LIMIT = 64 * 1024 * 1024


def policy_text(**rules: Any) -> bytes:
    """The client's policy for the node, for a session through the path."""
    require = rules.pop("require", ("evidence", "keys", "log", "release"))
    text = deployed.policy_text(require=require, **rules)
    return text + (keys_section() if "keys" in require else b"")


def switched_on() -> Feature:
    feature = Feature("summaries")
    feature.switch_on()
    return feature


def sent(tap: Tap) -> bytes:
    """Everything that passed a tap, both ways."""
    return b"".join(recording.content(way) for recording in tap.recordings() for way in Direction)


def logged_keys(keys: PathKeys, folder: Path, by: Publisher = OPERATOR) -> list[Path]:
    """What ``cvm-audit release publish`` writes for the keys: a folder each, entry and proof."""
    statements = [
        (keys.folder / "key-configuration" / f"{role}.json").read_bytes()
        for role in ("gateway", "issuer")
    ]
    entries = [sign_statement(raw, by) for raw in statements]
    log = making.Log((b"another", deployed.ENTRY, *entries))
    folders = []
    for number, entry in enumerate(entries, 2):
        place = folder / f"logged-{number}"
        place.mkdir()
        (place / "entry.json").write_bytes(entry)
        (place / "entry.tlog-proof").write_bytes(log.proof(number))
        folders.append(place)
    return folders


@dataclass
class Walked:
    """The path: its roles, taps before key CDN, issuer, relay, gateway and node, and its node."""

    folder: Path
    keys: PathKeys
    root: SnpRoot
    port: int
    taps: dict[str, Tap] = field(default_factory=dict)
    roles: dict[str, Running] = field(default_factory=dict)

    def endpoint(self, *, prefetch: int = 2, **members: Any) -> PrivatePath:
        """A path of the deployment's document; keyword arguments replace members of that."""
        document = {
            "schema": "cvm-audit/deployment/v1",
            "authority": AUTHORITY,
            "issuerName": ISSUER_NAME,
            "issuer": self.url("issuer"),
            "keyCdn": self.url("keycdn"),
            "relay": self.url("relay"),
        } | members
        deployment = parse_deployment(json.dumps(document).encode())
        return PrivatePath(deployment, account=self.keys.bearer, prefetch=prefetch)

    def url(self, role: str) -> str:
        return "http://{}:{}".format(*self.taps[role].address)

    def client(self, endpoint: Endpoint | None = None, **changes: Any) -> AttestedClient:
        given: dict[str, Any] = {
            "policy": policy_text(),
            "roots": (self.root,),
            "endpoint": endpoint or self.endpoint(),
            "feature": switched_on(),
            "seconds": 30.0,
        } | changes
        return AttestedClient(**given)

    def direct(self, port: int | None = None, **changes: Any) -> AttestedClient:
        policy = policy_text(require=("evidence", "log", "release"))
        endpoint = DirectEndpoint((deployed.LOOPBACK, port or self.port))
        return self.client(endpoint, **({"policy": policy} | changes))


@contextlib.contextmanager
def walked(folder: Path, keys: PathKeys, *, cvm: tuple[str, int] | None = None) -> Iterator[Walked]:
    """Start a node and every role; ``cvm`` is another one than that node."""
    logged = logged_keys(keys, folder)
    with contextlib.ExitStack() as stack:
        nodes = stack.enter_context(deployed.deployment(folder, nodes=1))
        found = Walked(folder, keys, nodes.root, nodes.ports[0])
        for name in ("keycdn", "issuer", "relay", "gateway", "node"):
            found.taps[name] = stack.enter_context(tapping(limit=LIMIT))
        found.taps["node"].forward_to(cvm or (deployed.LOOPBACK, found.port))
        start = functools.partial(_start, stack, found)
        start("keycdn", *(f"--logged={place}" for place in logged))
        start("issuer", *keys.issuer_options(folder / "issued.sqlite"))
        cvms = [found.taps["node"].address]
        start("gateway", *keys.gateway_options(folder / "spent.sqlite", cvms))
        start("relay", "--gateway", f"{found.url('gateway')}/")
        yield found


def _start(stack: contextlib.ExitStack, found: Walked, role: str, *arguments: object) -> None:
    started = stack.enter_context(running(role, *arguments, folder=found.folder / role))
    found.roles[role] = started
    found.taps[role].forward_to(started.address)
