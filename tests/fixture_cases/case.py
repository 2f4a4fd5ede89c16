"""What a fixture is made of, and its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.fixture_cases.vendor import NOW
from verifier.appraisal.checks import CHECKS
from verifier.appraisal.verdict import Outcome
from verifier.conformance.fixture import (
    EXPECTED_SCHEMA,
    MANIFEST_SCHEMA,
    Arguments,
    Expansion,
    Expected,
    OurVerdict,
    Ruling,
    Stage,
)

__all__ = ["Case", "MeasurementCase", "encode"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One fixture of the stage evidence; what is expected is written by hand, never computed.

    ``failed`` is what fails, by default ``check`` alone; ``verdict`` None: an unusable policy.
    """

    slug: str
    title: str
    bundle: bytes
    policy: bytes
    roots: dict[str, bytes]
    attacks: tuple[str, ...] = ()
    spec: tuple[str, ...] = ()
    check: str | None = None
    ruling: Ruling = Ruling.REJECTED
    verdict: Outcome | None = Outcome.FAILED
    failed: tuple[str, ...] | None = None
    errors: tuple[str, ...] = ()
    not_proven: tuple[str, ...] = ()
    instant: datetime = NOW
    nonce: bytes | None = None
    expand: Expansion | None = None

    @property
    def stage(self) -> Stage:
        return Stage.EVIDENCE

    @property
    def expected(self) -> Expected:
        failed = self.failed
        if failed is None:
            failed = (self.check,) if self.check and self.verdict is Outcome.FAILED else ()
        return Expected(
            self.ruling,
            OurVerdict(
                outcome=self.verdict, failed=failed, errors=self.errors, not_proven=self.not_proven
            ),
        )

    @property
    def clauses(self) -> tuple[str, ...]:
        return self.spec or ((CHECKS[self.check].spec,) if self.check else ())

    def files(self) -> dict[str, bytes]:
        """The files of the folder, by relative path."""
        inputs = {"bundle.tar": self.bundle, "policy.toml": self.policy}
        inputs |= {f"trust-root/{name}": raw for name, raw in self.roots.items()}
        return {
            "manifest.json": encode(self._manifest()),
            "expected.json": encode(_expected(self.expected)),
            **{f"input/{name}": raw for name, raw in inputs.items()},
        }

    def _manifest(self) -> dict[str, Any]:
        arguments = Arguments(self.instant, self.nonce)
        return {
            **_head(self),
            **({} if self.check is None else {"check": self.check}),
            "arguments": {
                "instant": f"{arguments.instant:%Y-%m-%dT%H:%M:%SZ}",
                **({} if arguments.nonce is None else {"nonce": arguments.nonce.hex()}),
            },
            **({} if self.expand is None else {"expand": _expansion(self.expand)}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementCase:
    """One fixture of the stage measurement. ``launch`` is as in the manifest."""

    slug: str
    title: str
    spec: tuple[str, ...]
    launch: dict[str, Any]
    inputs: dict[str, bytes]
    ruling: Ruling
    attacks: tuple[str, ...] = ()

    @property
    def stage(self) -> Stage:
        return Stage.MEASUREMENT

    @property
    def expected(self) -> Expected:
        return Expected(self.ruling, None)

    @property
    def clauses(self) -> tuple[str, ...]:
        return self.spec

    def files(self) -> dict[str, bytes]:
        """The files of the folder, by relative path."""
        return {
            "manifest.json": encode({**_head(self), "launch": self.launch}),
            "expected.json": encode(_expected(self.expected)),
            **{f"input/{name}": raw for name, raw in self.inputs.items()},
        }


def _head(case: Case | MeasurementCase) -> dict[str, Any]:
    return {
        "schema": MANIFEST_SCHEMA,
        "stage": str(case.stage),
        "title": case.title,
        "attacks": list(case.attacks),
        "spec": list(case.clauses),
    }


def _expansion(expand: Expansion) -> dict[str, int]:
    return {"offset": expand.offset, "byte": expand.byte, "count": expand.count}


def _expected(expected: Expected) -> dict[str, Any]:
    head = {"schema": EXPECTED_SCHEMA, "outcome": str(expected.ruling)}
    ours = expected.ours
    if ours is None:
        return head
    return {
        **head,
        "cvmAudit": {
            "verdict": str(ours.outcome or "none"),
            "exitCode": ours.exit_code,
            "failed": list(ours.failed),
            "errors": list(ours.errors),
            "notProven": list(ours.not_proven),
        },
    }


def encode(document: dict[str, Any]) -> bytes:
    """JSON for people and programs: two spaces, a newline at the end."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
