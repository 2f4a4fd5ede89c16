"""One fixture: what it is about (manifest.json), and what must come out (expected.json).

Source: docs/spec/conformance.md; schemas/fixture-manifest.v1.schema.json and
schemas/fixture-expected.v1.schema.json are the public contracts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from verifier.appraisal.checks import CHECKS
from verifier.appraisal.verdict import EXIT_CODES, Outcome
from verifier.evidence.report_data import NONCE_SIZE
from verifier.measurement.vmm import Vmm
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_json

__all__ = [
    "EXPECTED_SCHEMA",
    "MANIFEST_SCHEMA",
    "RULING_CODES",
    "Arguments",
    "Expansion",
    "Expected",
    "Fixture",
    "Launch",
    "Manifest",
    "OurVerdict",
    "Ruling",
    "Stage",
    "parse_expected",
    "parse_manifest",
]

MANIFEST_SCHEMA = "cvm-audit/fixture/v1"
EXPECTED_SCHEMA = "cvm-audit/fixture-expected/v1"

_ATTACK = r"ATK-0(0[1-9]|[1-8][0-9]|9[0-6])"
_TEXT = r"[^\x00-\x1f\x7f]{1,400}"
_MAX_EXPANSION = 64 * 1024 * 1024
_UNUSABLE_POLICY = 2  # the exit code
_NO_VERDICT = "none"


class Stage(StrEnum):
    """What a fixture asks: to judge evidence, or to say whether a launch has a measurement."""

    EVIDENCE = "evidence"
    MEASUREMENT = "measurement"


class Ruling(StrEnum):
    """What a verifier may answer. Only ``accepted`` says that everything asked for was shown."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNSUPPORTED = "unsupported"
    MALFORMED = "malformed"


RULING_CODES: Mapping[Ruling, int] = MappingProxyType(
    {Ruling.ACCEPTED: 0, Ruling.REJECTED: 10, Ruling.UNSUPPORTED: 20, Ruling.MALFORMED: 30}
)
"""Frozen. The exit code with which an adapter says the same; any other code is a crash."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the auditor brings: the instant (aware, UTC), and the nonce, or None."""

    instant: datetime
    nonce: bytes | None


@dataclass(frozen=True, slots=True)
class Expansion:
    """``count`` times ``byte``, which belong into bundle.tar before offset ``offset``."""

    offset: int
    byte: int
    count: int

    def applied_to(self, stored: bytes) -> bytes:
        """The whole of what is stored."""
        filling = bytes((self.byte,)) * self.count
        return stored[: self.offset] + filling + stored[self.offset :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a guest is launched, and the measurement that is claimed for it (48 bytes)."""

    vmm: Vmm
    vcpus: int
    vcpu_signature: int
    guest_features: int
    cmdline: str | None
    measurement: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a fixture is about.

    ``check`` is the one of our checks that alone does not pass, or None. ``arguments`` are there
    for the stage evidence, ``launch`` for the stage measurement.
    """

    stage: Stage
    title: str
    attacks: tuple[str, ...]
    spec: tuple[str, ...]
    check: str | None
    arguments: Arguments | None
    expand: Expansion | None
    launch: Launch | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OurVerdict:
    """What cvm-audit itself says: ``outcome`` is None where the policy is unusable (exit 2).

    ``failed``, ``errors`` and ``not_proven`` are ids of checks, in the order of the registry.
    """

    outcome: Outcome | None
    failed: tuple[str, ...]
    errors: tuple[str, ...]
    not_proven: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """The exit code of ``cvm-audit verify``."""
        return _UNUSABLE_POLICY if self.outcome is None else EXIT_CODES[self.outcome]


@dataclass(frozen=True, slots=True)
class Expected:
    """What any verifier must answer, and what ours says (None for the stage measurement)."""

    ruling: Ruling
    ours: OurVerdict | None


@dataclass(frozen=True, slots=True)
class Fixture:
    """A fixture by its name (``evidence/401-snp-vmpl``), with its input files by relative path."""

    name: str
    manifest: Manifest
    expected: Expected
    files: Mapping[str, bytes]


def parse_manifest(raw: bytes) -> Manifest:
    """Read manifest.json. Raises ParseError."""
    document = JsonObject(parse_json(raw, what="manifest.json"), what="manifest.json")
    document.choice("schema", (MANIFEST_SCHEMA,))
    stage = Stage(document.choice("stage", tuple(Stage)))
    evidence = stage is Stage.EVIDENCE
    manifest = Manifest(
        stage=stage,
        title=document.text("title", pattern=_TEXT),
        attacks=document.texts("attacks", pattern=_ATTACK),
        spec=document.texts("spec", pattern=_TEXT, minimum=1),
        check=document.choice("check", tuple(CHECKS)) if document.has("check") else None,
        arguments=_arguments(document.object("arguments")) if evidence else None,
        expand=_expansion(document.object("expand")) if document.has("expand") else None,
        launch=None if evidence else _launch(document.object("launch")),
    )
    document.end()
    return manifest


def _arguments(item: JsonObject) -> Arguments:
    instant = item.timestamp("instant")
    nonce = item.hex("nonce", size=NONCE_SIZE) if item.has("nonce") else None
    item.end()
    return Arguments(instant, nonce)


def _expansion(item: JsonObject) -> Expansion:
    expansion = Expansion(
        offset=item.integer("offset"),
        byte=item.integer("byte", maximum=255),
        count=item.integer("count", minimum=1, maximum=_MAX_EXPANSION),
    )
    item.end()
    return expansion


def _launch(item: JsonObject) -> Launch:
    launch = Launch(
        vmm=Vmm(item.choice("vmm", tuple(Vmm))),
        vcpus=item.integer("vcpus", minimum=1),
        vcpu_signature=item.hex_integer("vcpuSignature", maximum=2**32 - 1),
        guest_features=item.hex_integer("guestFeatures"),
        cmdline=item.text("cmdline", pattern=_TEXT) if item.has("cmdline") else None,
        measurement=item.hex("measurement", size=48),
    )
    item.end()
    return launch


def parse_expected(raw: bytes) -> Expected:
    """Read expected.json. Raises ParseError."""
    document = JsonObject(parse_json(raw, what="expected.json"), what="expected.json")
    document.choice("schema", (EXPECTED_SCHEMA,))
    ruling = Ruling(document.choice("outcome", tuple(Ruling)))
    ours = _ours(document.object("cvmAudit")) if document.has("cvmAudit") else None
    document.end()
    return Expected(ruling, ours)


def _ours(item: JsonObject) -> OurVerdict:
    words = item.choice("verdict", (*Outcome, _NO_VERDICT))
    ours = OurVerdict(
        outcome=None if words == _NO_VERDICT else Outcome(words),
        failed=_checks(item, "failed"),
        errors=_checks(item, "errors"),
        not_proven=_checks(item, "notProven"),
    )
    code = item.integer("exitCode")
    item.end()
    if code != ours.exit_code:
        raise item.refuse("exitCode", expected=f"{ours.exit_code}, of {words}", got=str(code))
    return ours


def _checks(item: JsonObject, name: str) -> tuple[str, ...]:
    return item.texts(name, pattern="|".join(CHECKS))
