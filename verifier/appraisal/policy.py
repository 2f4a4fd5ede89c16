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

from verifier.appraisal.policy_snp import SnpPolicy, parse_snp_policy
from verifier.errors import ParseError, PolicyError, UnsupportedError
from verifier.release.publisher import PublisherKey, parse_publisher_key
from verifier.tlog.json_object import JsonObject
from verifier.tlog.policy import TlogPolicy, parse_tlog_policy

__all__ = ["MAX_POLICY", "SCHEMA", "STAGES", "LogPolicy", "Policy", "ReleasePolicy", "parse_policy"]

SCHEMA = "cvm-audit/policy/v1"
STAGES = ("evidence", "log", "release")
"""What a policy may require. ``release`` needs ``log``: an unlogged release proves nothing."""

MAX_POLICY = 1024 * 1024
"""Most bytes of a policy file."""


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """Which log, which witnesses, how many of them (C2SP tlog-policy)."""

    tlog: TlogPolicy


@dataclass(frozen=True, slots=True)
class ReleasePolicy:
    """Which release: role, product, publishers and the lowest security version number."""

    role: str
    product: str
    publishers: tuple[PublisherKey, ...]
    publisher_threshold: int
    minimum_security_version: int


@dataclass(frozen=True, slots=True)
class Policy:
    """A usable policy. ``sha256`` is over the file as read; a stage not required is None."""

    name: str
    sha256: bytes
    require: tuple[str, ...]
    platform: str
    log: LogPolicy | None
    release: ReleasePolicy | None
    sev_snp: SnpPolicy | None


def parse_policy(raw: bytes) -> Policy:
    """Read a policy file. Raises PolicyError, which says the key, what it takes and what it has."""
    document = JsonObject(_toml(raw), what="policy", error=PolicyError)
    document.choice("schema", (SCHEMA,))
    name = document.text("name", pattern=r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
    platform = document.choice("platform", ("hardware", "simulated"))
    require = _require(document)
    policy = Policy(
        name=name,
        sha256=hashlib.sha256(raw).digest(),
        require=require,
        platform=platform,
        log=_log(document.object("log")) if "log" in require else None,
        release=_release(document.object("release")) if "release" in require else None,
        sev_snp=_sev_snp(document, require) if "evidence" in require else None,
    )
    document.end()  # a section of a stage that is not required would be a rule that never applies
    return policy


def _toml(raw: bytes) -> dict[str, object]:
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
    publishers = tuple(_publisher(text) for text in section.texts("publishers", minimum=1))
    release = ReleasePolicy(
        role=section.text("role"),
        product=section.text("product"),
        publishers=publishers,
        publisher_threshold=section.integer(
            "publisher_threshold", minimum=1, maximum=len(publishers)
        ),
        minimum_security_version=section.integer("minimum_security_version", maximum=2**32 - 1),
    )
    section.end()
    return release


def _publisher(text: str) -> PublisherKey:
    try:
        return parse_publisher_key(text)
    except (ParseError, UnsupportedError) as error:
        what = "policy.release.publishers"
        raise PolicyError(what, expected=error.expected, got=error.got) from None


def _sev_snp(document: JsonObject, require: tuple[str, ...]) -> SnpPolicy:
    policy = parse_snp_policy(document.object("sev_snp"))
    if policy.measurement.from_release and "release" not in require:
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
