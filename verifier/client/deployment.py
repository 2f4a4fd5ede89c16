"""``deployment.json``: where the roles of a private path are.

What it says is believed by no one: keys are judged, and so is the CVM at the end. Source:
schemas/deployment.v1.schema.json is the public contract; ``python -m pipeline.up`` writes one.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.client.web import Url, parse_url
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_json

__all__ = ["MAX_DEPLOYMENT", "Deployment", "LocalRole", "parse_deployment"]

MAX_DEPLOYMENT = 65_536
"""Most bytes of a document."""

_SCHEMA = "cvm-audit/deployment/v1"
_ROLES = ("gateway", "issuer", "keycdn", "relay")
_NAME = r"[a-z0-9](?:[a-z0-9.-]{0,248}[a-z0-9])?(?::[1-9][0-9]{0,4})?"
_BASE = r"https?://[^/?#]{1,300}"
_ADDRESS = r"(?:[a-z0-9.-]{1,253}|\[[0-9a-f:]{2,39}\]):[1-9][0-9]{0,4}"
_PATH = r"/[^\x00-\x1f\x7f]{1,4095}"
_MAX_PID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class LocalRole:
    """A role that runs on this machine: its process, and where it writes."""

    role: str
    address: str
    pid: int
    log: str
    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What a client needs to reach a private path, and the roles of it that are on this machine.

    ``authority`` and ``issuer_name`` are the names of gateway and issuer in requests and token
    challenges. ``roles`` is empty for a deployment elsewhere.
    """

    relay: Url
    key_cdn: Url
    issuer: Url
    authority: str
    issuer_name: str
    roles: tuple[LocalRole, ...]

    @classmethod
    def of(
        cls, *, relay: str, key_cdn: str, issuer: str, authority: str, issuer_name: str
    ) -> Deployment:
        """A deployment elsewhere, by the URLs of its roles. Raises ParseError."""
        return cls(
            relay=parse_url(relay, what="relay"),
            key_cdn=parse_url(key_cdn, what="key CDN"),
            issuer=parse_url(issuer, what="issuer"),
            authority=authority,
            issuer_name=issuer_name,
            roles=(),
        )


def parse_deployment(raw: bytes) -> Deployment:
    """Read a document. Raises ParseError."""
    what = "deployment"
    document = JsonObject(parse_json(raw, what=what), what=what)
    document.choice("schema", (_SCHEMA,))
    deployment = Deployment(
        relay=_url(document, "relay"),
        key_cdn=_url(document, "keyCdn"),
        issuer=_url(document, "issuer"),
        authority=document.text("authority", pattern=_NAME),
        issuer_name=document.text("issuerName", pattern=_NAME),
        roles=tuple(_role(item) for item in document.objects("roles", minimum=1))
        if document.has("roles")
        else (),
    )
    document.end()
    if len({role.role for role in deployment.roles}) != len(deployment.roles):
        raise document.refuse("roles", expected="each role once", got="one of them twice")
    return deployment


def _url(document: JsonObject, name: str) -> Url:
    return parse_url(document.text(name, pattern=_BASE), what=f"{document.what}.{name}")


def _role(item: JsonObject) -> LocalRole:
    role = LocalRole(
        role=item.choice("role", _ROLES),
        address=item.text("address", pattern=_ADDRESS),
        pid=item.integer("pid", minimum=2, maximum=_MAX_PID),
        log=item.text("log", pattern=_PATH),
        directory=item.text("directory", pattern=_PATH),
    )
    item.end()
    return role
