"""What an adapter is asked and what it answers: one JSON document each way.

Nothing in a request names the fixture or what is expected of it. Source: docs/spec/conformance.md;
schemas/conformance-request.v1.schema.json and schemas/conformance-answer.v1.schema.json are the
public contracts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from verifier.appraisal.policy import policy_document
from verifier.conformance.fixture import Arguments, Fixture, Launch, Ruling, Stage
from verifier.errors import ParseError, VerificationError
from verifier.evidence.bundle import open_bundle, parse_bundle
from verifier.evidence.bundle_tar import parse_bundle_tar
from verifier.evidence.report_data import NONCE_SIZE
from verifier.measurement.vmm import Vmm
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_base64, parse_json

__all__ = [
    "ANSWER_SCHEMA",
    "REQUEST_SCHEMA",
    "Answer",
    "EvidenceRequest",
    "MeasurementRequest",
    "encode_answer",
    "encode_request",
    "parse_answer",
    "parse_request",
]

REQUEST_SCHEMA = "cvm-audit/conformance-request/v1"
ANSWER_SCHEMA = "cvm-audit/conformance-answer/v1"

_BASE64 = r"(?s:.*)"
_REASON = r"[^\x00-\x08\x0b-\x1f\x7f]{0,4000}"
_BUNDLE, _POLICY, _ROOTS = "bundle.tar", "policy.toml", "trust-root/"
_SIGSTORE = "trust-root/trusted_root.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRequest:
    """A bundle (the bytes of its tar) to judge under a policy (the bytes of its TOML).

    ``roots`` are root documents to believe besides the vendor's own keys, ``sigstore_root`` is
    Sigstore's trusted root, or None.
    """

    bundle: bytes
    policy: bytes
    roots: tuple[bytes, ...]
    sigstore_root: bytes | None
    instant: datetime
    nonce: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementRequest:
    """Binaries, how they are launched, and the measurement that is claimed for that."""

    firmware: bytes
    kernel: bytes | None
    initrd: bytes | None
    launch: Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an adapter says. ``failed`` are ids of our checks, None where it does not speak them."""

    ruling: Ruling
    failed: tuple[str, ...] | None
    reason: str


def encode_request(fixture: Fixture) -> bytes:
    """The request of a fixture, one JSON document. Raises ParseError if an input is missing."""
    launch, arguments = fixture.manifest.launch, fixture.manifest.arguments
    if launch is not None:
        document = _measurement_members(fixture, launch)
    elif arguments is not None:
        document = _evidence_members(fixture, arguments)
    else:
        raise AssertionError("a manifest has arguments or a launch")
    return json.dumps({"schema": REQUEST_SCHEMA, **document}).encode("ascii")


def _measurement_members(fixture: Fixture, launch: Launch) -> dict[str, Any]:
    files = {name: fixture.files.get(name) for name in ("firmware", "kernel", "initrd")}
    return {
        "stage": str(Stage.MEASUREMENT),
        **{name: _text(raw) for name, raw in files.items() if raw is not None},
        "vmm": str(launch.vmm),
        "vcpus": launch.vcpus,
        "vcpuSignature": f"{launch.vcpu_signature:#x}",
        "guestFeatures": f"{launch.guest_features:#x}",
        **({} if launch.cmdline is None else {"cmdline": launch.cmdline}),
        "measurement": launch.measurement.hex(),
    }


def _evidence_members(fixture: Fixture, arguments: Arguments) -> dict[str, Any]:
    files, expand = fixture.files, fixture.manifest.expand
    bundle, policy = _required(files, _BUNDLE), _required(files, _POLICY)
    if expand is not None:
        bundle = expand.applied_to(bundle)
    roots = [name for name in sorted(files) if name.startswith(_ROOTS) and name != _SIGSTORE]
    sigstore = files.get(_SIGSTORE)
    return {
        "stage": str(Stage.EVIDENCE),
        "bundle": _text(bundle),
        "members": _members(bundle),
        "policyToml": _text(policy),
        "policy": policy_document(policy),
        "roots": [_text(files[name]) for name in roots],
        **({} if sigstore is None else {"sigstoreRoot": _text(sigstore)}),
        "instant": f"{arguments.instant:%Y-%m-%dT%H:%M:%SZ}",
        **({} if arguments.nonce is None else {"nonce": arguments.nonce.hex()}),
    }


def _required(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise ParseError(f"input/{name}", expected="the file", got="it is missing")
    return files[name]


def _members(bundle: bytes) -> list[dict[str, str]]:
    """The members of a bundle that is intact, for those who do not read bundles; else none."""
    try:
        intact = open_bundle(parse_bundle(parse_bundle_tar(bundle)))
    except (ParseError, VerificationError):
        return []
    return [
        {"role": member.role, "content": _text(intact.contents[member.path])}
        for member in intact.members
    ]


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def parse_request(raw: bytes) -> EvidenceRequest | MeasurementRequest:
    """Read a request as an adapter. Raises ParseError."""
    document = JsonObject(parse_json(raw, what="request"), what="request")
    document.choice("schema", (REQUEST_SCHEMA,))
    stage = Stage(document.choice("stage", tuple(Stage)))
    request = _evidence(document) if stage is Stage.EVIDENCE else _measurement(document)
    document.end()
    return request


def _evidence(document: JsonObject) -> EvidenceRequest:
    # The same things again, for those who read no bundles and no TOML: we take what was received.
    document.take("members")
    document.take("policy")
    return EvidenceRequest(
        bundle=_base64(document, "bundle"),
        policy=_base64(document, "policyToml"),
        roots=tuple(
            parse_base64(text, what="request.roots")
            for text in document.texts("roots", pattern=_BASE64)
        ),
        sigstore_root=_base64(document, "sigstoreRoot") if document.has("sigstoreRoot") else None,
        instant=document.timestamp("instant"),
        nonce=document.hex("nonce", size=NONCE_SIZE) if document.has("nonce") else None,
    )


def _measurement(document: JsonObject) -> MeasurementRequest:
    cmdline = document.text("cmdline", pattern=_REASON) if document.has("cmdline") else None
    return MeasurementRequest(
        firmware=_base64(document, "firmware"),
        kernel=_base64(document, "kernel") if document.has("kernel") else None,
        initrd=_base64(document, "initrd") if document.has("initrd") else None,
        launch=Launch(
            vmm=Vmm(document.choice("vmm", tuple(Vmm))),
            vcpus=document.integer("vcpus", minimum=1),
            vcpu_signature=document.hex_integer("vcpuSignature", maximum=2**32 - 1),
            guest_features=document.hex_integer("guestFeatures"),
            cmdline=cmdline,
            measurement=document.hex("measurement", size=48),
        ),
    )


def _base64(document: JsonObject, name: str) -> bytes:
    return parse_base64(document.text(name, pattern=_BASE64), what=f"request.{name}")


def encode_answer(answer: Answer) -> bytes:
    """An answer as an adapter writes it, one line."""
    document = {
        "schema": ANSWER_SCHEMA,
        "outcome": str(answer.ruling),
        **({} if answer.failed is None else {"checks": list(answer.failed)}),
        "reason": answer.reason,
    }
    return json.dumps(document).encode("ascii") + b"\n"


def parse_answer(raw: bytes) -> Answer:
    """Read an answer. Raises ParseError."""
    document = JsonObject(parse_json(raw, what="answer"), what="answer")
    document.choice("schema", (ANSWER_SCHEMA,))
    answer = Answer(
        ruling=Ruling(document.choice("outcome", tuple(Ruling))),
        failed=document.texts("checks") if document.has("checks") else None,
        reason=document.text("reason", pattern=_REASON) if document.has("reason") else "",
    )
    document.end()
    return answer
