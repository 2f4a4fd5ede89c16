"""What ``drive`` is told on the command line, as plans of the driver."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from verifier.appraisal.policy import parse_policy
from verifier.cli.files import read_file
from verifier.cli.judging import Judging, load_roots, load_trusted_root, policy_bytes
from verifier.drive.artifacts import read_artifacts
from verifier.drive.chat_file import MAX_CHAT, parse_chat
from verifier.drive.plan import PathPlan, Plan, Rules
from verifier.drive.qemu import Shape
from verifier.errors import ParseError, PolicyError
from verifier.tlog.strict import parse_utf8
from verifier.wire.service import SummaryRequest

if TYPE_CHECKING:  # loads TLS, an extra
    from verifier.cli.brought import Brought
    from verifier.client.deployment import Deployment

__all__ = ["Elsewhere", "RulesOf", "boot_plan", "path_plan", "read_elsewhere", "read_rules"]

_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{16,256}=*")  # RFC 6750 section 2.1
_MAX_ACCOUNTS = 4096  # bytes of the file

RulesOf = Callable[[bytes], Rules]
"""The rules for the entry of a release."""

Elsewhere: TypeAlias = "tuple[Deployment, tuple[str, ...]]"
"""What somebody else runs, and the secrets of our accounts with its issuer."""


def read_rules(judging: Judging, options: Mapping[str, Any]) -> RulesOf:
    """Read what the auditor judges by, before anything is fetched. Raises PolicyError (exit 2)."""
    text = policy_bytes(options["policy"])
    policy = parse_policy(text)
    rules = partial(
        Rules,
        policy=policy,
        policy_text=text,
        crl=None if options["crl"] is None else read_file(options["crl"]),
        roots=load_roots(judging.trust_root),
        trusted_root=load_trusted_root(judging.trust_root, policy),
        now=judging.instant,
        chat=_chat(options["chat"]),
    )
    return lambda entry: rules(entry=entry)


def _chat(path: Path | None) -> SummaryRequest | None:
    if path is None:
        return None
    try:
        return parse_chat(read_file(path, limit=MAX_CHAT))
    except ParseError as error:  # the auditor's own file
        raise PolicyError(error.what, expected=error.expected, got=error.got) from None


def boot_plan(rules: Rules, brought: Brought, options: Mapping[str, Any]) -> Plan:
    """What to boot. ValueError where no artifacts were named or brought."""
    if brought.artifacts is None:
        message = "a drive that boots, and nothing to boot"
        raise ValueError(message)
    return Plan(
        **_fields(rules),
        artifacts=read_artifacts(brought.artifacts),
        proof=read_file(brought.release / "entry.tlog-proof"),
        shape=Shape(
            vcpus=options["vcpus"], vcpu_type=options["vcpu_type"], memory=options["memory"]
        ),
        platform=options["platform"],
        seconds=options["seconds"],
        process=options["process"],
        tamper=options["tamper"],
    )


def path_plan(rules: Rules, brought: Brought, options: Mapping[str, Any]) -> PathPlan:
    """What the path is made of."""
    return PathPlan(**_fields(rules), keys=options["keys"], logged=brought.logged_keys)


def _fields(rules: Rules) -> dict[str, Any]:
    return {field.name: getattr(rules, field.name) for field in fields(rules)}


def read_elsewhere(options: Mapping[str, Any]) -> Elsewhere | None:
    """What somebody else runs, and our accounts there; None where nobody was named.

    Raises PolicyError (exit 2).
    """
    if options["deployment"] is None:
        return None
    return _deployment(options["deployment"]), _bearers(options["accounts"])


def _deployment(path: Path) -> Deployment:
    from verifier.client.deployment import (  # noqa: PLC0415 - loads HTTP, an extra
        parse_deployment,
    )

    try:
        return parse_deployment(read_file(path))
    except ParseError as error:  # what the auditor names is nobody's evidence
        raise PolicyError(error.what, expected=error.expected, got=error.got) from None


def _bearers(path: Path) -> tuple[str, ...]:
    lines = parse_utf8(read_file(path, limit=_MAX_ACCOUNTS), what=str(path)).split("\n")
    bearers = tuple(line for line in lines if line)
    if not bearers or not all(_BEARER.fullmatch(line) for line in bearers):
        expected = "lines that are each the secret of an account"
        raise PolicyError(str(path), expected=expected, got="none" if not bearers else "another")
    return bearers
