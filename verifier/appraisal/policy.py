"""The appraisal policy: the auditor's own file, which says what must hold.

Source: design sections 3 and 5; schemas/policy.v1.schema.json is the public contract. Every
field is required. Leaving something out is written down, ``{ not_checked = "why" }``, and printed
in the verdict; an unknown key is an error, because a misspelt rule is a rule that
nobody applies (ATK-090).
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from typing import Any

from verifier.appraisal.builtin_policies import BUILT_IN
from verifier.appraisal.policy_snp import PRODUCT_TABLES, SnpPolicy, parse_snp_policy
from verifier.errors import ParseError, PolicyError, UnsupportedError
from verifier.release.publisher import PublisherKey, parse_publisher_key
from verifier.release.sigstore_identity import Identity
from verifier.tlog.json_object import JsonObject
from verifier.tlog.policy import TlogPolicy, parse_tlog_policy

__all__ = [
    "MAX_POLICY",
    "SCHEMA",
    "STAGES",
    "HostsPolicy",
    "KeysPolicy",
    "LogPolicy",
    "Policy",
    "ReleasePolicy",
    "parse_policy",
    "policy_document",
]

SCHEMA = "cvm-audit/policy/v1"
STAGES = ("evidence", "keys", "log", "release")
"""What a policy may require. ``release`` and ``keys`` need ``log``: unlogged they prove nothing."""

MAX_POLICY = 1024 * 1024
"""Most bytes of a policy file."""


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """Which log, which witnesses, how many of them (C2SP tlog-policy)."""

    tlog: TlogPolicy


@dataclass(frozen=True, slots=True)
class ReleasePolicy:
    """Which release: role, product, who must have signed, the lowest security version number.

    ``publisher_threshold`` of ``publishers`` must have signed, and one of ``identities``; either
    may be empty, not both.
    """

    role: str
    product: str
    publishers: tuple[PublisherKey, ...]
    publisher_threshold: int
    identities: tuple[Identity, ...]
    minimum_security_version: int


@dataclass(frozen=True, slots=True)
class HostsPolicy:
    """Whose enrolled hosts count: the operator, and who may sign for it."""

    operator: str
    publishers: tuple[PublisherKey, ...]
    publisher_threshold: int


@dataclass(frozen=True, slots=True)
class KeysPolicy:
    """Whose key configurations of the private path count, and how many of them must sign."""

    publishers: tuple[PublisherKey, ...]
    publisher_threshold: int


@dataclass(frozen=True, slots=True)
class Policy:
    """A usable policy. ``sha256`` is over the file as read; a stage not required is None.

    ``base`` names the built-in policy that it takes rules from, if it does; its text is fixed.
    ``hosts`` is there exactly where ``sev_snp`` demands enrolled hosts.
    """

    name: str
    base: str
    sha256: bytes
    require: tuple[str, ...]
    platform: str
    log: LogPolicy | None
    release: ReleasePolicy | None
    sev_snp: SnpPolicy | None
    hosts: HostsPolicy | None
    keys: KeysPolicy | None


def parse_policy(raw: bytes) -> Policy:
    """Read a policy file. Raises PolicyError, which says the key, what it takes and what it has."""
    document = JsonObject(policy_document(raw), what="policy", error=PolicyError)
    document.choice("schema", (SCHEMA,))
    name = document.text("name", pattern=r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
    base = document.choice("base", tuple(BUILT_IN)) if document.has("base") else ""
    platform = document.choice("platform", ("hardware", "simulated"))
    require = _require(document)
    sev_snp = _sev_snp(document, require) if "evidence" in require else None
    policy = Policy(
        name=name,
        base=base,
        sha256=hashlib.sha256(raw).digest(),
        require=require,
        platform=platform,
        log=_log(document.object("log")) if "log" in require else None,
        release=_release(document.object("release")) if "release" in require else None,
        sev_snp=sev_snp,
        hosts=_hosts(document, require, sev_snp),
        keys=_keys(document.object("keys")) if "keys" in require else None,
    )
    document.end()  # a section of a stage that is not required would be a rule that never applies
    return policy


def policy_document(raw: bytes) -> dict[str, Any]:
    """The policy file as TOML decodes it, its base, if it names one, filled in.

    Nothing else is looked at. Raises PolicyError if it is no TOML.
    """
    document = _toml(raw)
    base, rules = document.get("base"), document.get("sev_snp")
    if isinstance(base, str) and base in BUILT_IN and isinstance(rules, dict):
        return document | {"sev_snp": _on_base(rules, base)}
    return document


def _toml(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_POLICY:
        raise PolicyError("policy", expected=f"at most {MAX_POLICY} bytes", got=f"{len(raw)} bytes")
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PolicyError("policy", expected="TOML", got=str(error)) from None


def _require(document: JsonObject) -> tuple[str, ...]:
    require = document.texts("require", pattern="|".join(STAGES))
    if not require:
        expected = f"at least one of {', '.join(STAGES)}"
        raise PolicyError("policy.require", expected=expected, got="nothing")
    if "release" in require and "log" not in require:
        expected = "log as well: a release counts only when it is logged"
        raise PolicyError("policy.require", expected=expected, got="release alone")
    if "keys" in require and "log" not in require:
        expected = "log as well: keys count only when they are logged"
        raise PolicyError("policy.require", expected=expected, got="keys alone")
    return require


def _log(section: JsonObject) -> LogPolicy:
    text = section.text("policy", pattern=r"[\s\S]{1,65536}")
    section.end()
    try:
        return LogPolicy(parse_tlog_policy(text))
    except PolicyError as error:
        what = f"policy.log.policy, {error.what}"
        raise PolicyError(what, expected=error.expected, got=error.got) from None


def _release(section: JsonObject) -> ReleasePolicy:
    identities = _identities(section)
    # Without keys the threshold is 0, and written down: nobody reads a 1 that means nothing.
    publishers = _publishers(section, minimum=0 if identities else 1)
    release = ReleasePolicy(
        role=section.text("role"),
        product=section.text("product"),
        publishers=publishers,
        publisher_threshold=section.integer(
            "publisher_threshold", minimum=min(1, len(publishers)), maximum=len(publishers)
        ),
        identities=identities,
        minimum_security_version=section.integer("minimum_security_version", maximum=2**32 - 1),
    )
    section.end()
    return release


def _identities(section: JsonObject) -> tuple[Identity, ...]:
    identities = tuple(_identity(item) for item in section.objects("identities"))
    if len(set(identities)) != len(identities):
        raise section.refuse("identities", expected="distinct members", got="one of them twice")
    return identities


def _identity(item: JsonObject) -> Identity:
    # Both are mandatory: an address means nothing without the one who vouches for it.
    identity = Identity(
        identity=item.text("identity", pattern=r"[!-~]{1,1024}"),
        issuer=item.text("issuer", pattern=r"https://[!-~]{1,256}"),
    )
    item.end()
    return identity


def _hosts(
    document: JsonObject, require: tuple[str, ...], sev_snp: SnpPolicy | None
) -> HostsPolicy | None:
    if sev_snp is None or sev_snp.hosts_not_checked:
        return None
    if "log" not in require:
        expected = 'require = ["log", …] as well: an enrolment counts only when it is logged'
        raise PolicyError("policy.sev_snp.hosts", expected=expected, got="no log is required")
    section = document.object("hosts")
    publishers = _publishers(section, minimum=1)
    hosts = HostsPolicy(
        operator=section.text("operator"),
        publishers=publishers,
        publisher_threshold=section.integer(
            "publisher_threshold", minimum=1, maximum=len(publishers)
        ),
    )
    section.end()
    return hosts


def _keys(section: JsonObject) -> KeysPolicy:
    publishers = _publishers(section, minimum=1)
    threshold = section.integer("publisher_threshold", minimum=1, maximum=len(publishers))
    section.end()
    return KeysPolicy(publishers, threshold)


def _publishers(section: JsonObject, *, minimum: int) -> tuple[PublisherKey, ...]:
    what = f"{section.what}.publishers"
    return tuple(_publisher(text, what) for text in section.texts("publishers", minimum=minimum))


def _publisher(text: str, what: str) -> PublisherKey:
    try:
        return parse_publisher_key(text)
    except (ParseError, UnsupportedError) as error:
        raise PolicyError(what, expected=error.expected, got=error.got) from None


def _sev_snp(document: JsonObject, require: tuple[str, ...]) -> SnpPolicy:
    policy = parse_snp_policy(document.object("sev_snp"))
    if policy.measurement.derived == "release" and "release" not in require:
        raise PolicyError(
            "policy.sev_snp.measurement",
            expected='digests, or "release" together with require = ["release", …]',
            got='"release", while no release is required',
        )
    if policy.measurement.not_checked and "release" in require:
        raise PolicyError(
            "policy.sev_snp.measurement",
            expected='"release" or digests, since a release is required',
            got="not_checked",
        )
    return policy


def _on_base(rules: dict[str, Any], base: str) -> dict[str, Any]:
    """``rules``, and for every key that they do not have the one of the base."""
    taken: dict[str, Any] = _toml(BUILT_IN[base].encode())["sev_snp"]
    products = rules.get("products")
    if isinstance(products, list):
        # What the base says of product lines that this policy does not take is not taken either.
        for name in PRODUCT_TABLES:
            kept = [*products, "not_checked"]
            taken[name] = {line: value for line, value in taken[name].items() if line in kept}
    return taken | rules
