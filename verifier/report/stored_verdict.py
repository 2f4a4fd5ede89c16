"""Reads a stored verdict document back, so that it can be written in another format.

Source: schemas/verdict.v1.schema.json. The document is somebody's word: reading it verifies
nothing. What follows from the rest (outcome, exit code, what was skipped, the clause of a check)
is computed anew and must agree, so that no document can say VERIFIED above findings that do not.
"""

from __future__ import annotations

from verifier.appraisal.checks import CHECKS
from verifier.appraisal.drive.reached import levels_borne
from verifier.appraisal.findings import Finding, FindingClass, Status
from verifier.appraisal.verdict import EXIT_CODES, Outcome, Target, Verdict
from verifier.errors import ParseError, UnsupportedError
from verifier.evidence.drive_record import Level
from verifier.report.json import SCHEMA
from verifier.report.judgement import Judgement
from verifier.roots.snp_root import Platform
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import excerpt, parse_json

__all__ = ["MAX_VERDICT", "parse_verdict"]

MAX_VERDICT = 4 * 1024 * 1024
"""Most bytes of a stored verdict."""

_TARGETS = ("bundle", "drive", "image", "key-document", "release-entry", "snp-hcl", "snp-report")
_STAGES = "drive|evidence|keys|log|rebuild|release|scan"
_TEXT = r"[\s\S]{0,65536}"
_NO_POLICY = "no policy"


def parse_verdict(raw: bytes) -> Judgement:
    """Read a ``cvm-audit/verdict/v1`` document.

    Raises ParseError for one that is malformed or contradicts itself, UnsupportedError for one
    that names a check which this release does not know.
    """
    if len(raw) > MAX_VERDICT:
        raise ParseError("verdict", expected=f"at most {MAX_VERDICT} bytes", got=f"{len(raw)}")
    document = JsonObject(parse_json(raw, what="verdict"), what="verdict")
    schema = document.text("schema")
    if schema != SCHEMA:
        raise UnsupportedError("verdict.schema", expected=SCHEMA, got=excerpt(schema))
    version = _tool(document.object("tool"))
    verdict = _verdict(document)
    offline = document.boolean("offline")
    _require_agreement(document, verdict)
    document.end()
    return Judgement(verdict=verdict, offline=offline, tool_version=version, reverify="")


def _tool(tool: JsonObject) -> str:
    tool.choice("name", ("cvm-audit",))
    version = tool.text("version")
    tool.end()
    return version


def _verdict(document: JsonObject) -> Verdict:
    name, sha256 = _policy(document)
    return Verdict(
        target=_target(document.object("target")),
        policy_name=name,
        policy_sha256=sha256,
        stages=document.texts("stages", pattern=_STAGES, minimum=1),
        instant=document.timestamp("instant"),
        platform=_named(document, "platform", tuple(Platform)),
        required=_checks(document, "required", minimum=1),
        findings=tuple(_finding(item) for item in document.objects("findings", minimum=1)),
        not_proven=_checks(document, "notProven", minimum=0),
        level=_named(document, "level", tuple(Level)),
    )


def _target(target: JsonObject) -> Target:
    read = Target(target.choice("kind", _TARGETS), target.hex("sha256", size=32))
    target.end()
    return read


def _policy(document: JsonObject) -> tuple[str, bytes]:
    value = document.take("policy")
    if value is None:
        return _NO_POLICY, b""
    policy = JsonObject(value, what="verdict.policy")
    read = policy.text("name"), policy.hex("sha256", size=32)
    policy.end()
    return read


def _named(document: JsonObject, name: str, choices: tuple[str, ...]) -> str:
    """One of ``choices``, or empty for null."""
    value = document.take(name)
    if value is None:
        return ""
    if value not in choices:
        expected = f"{', '.join(choices)} or null"
        raise document.refuse(name, expected=expected, got=excerpt(str(value)))
    return str(value)


def _checks(document: JsonObject, name: str, *, minimum: int) -> tuple[str, ...]:
    checks = document.texts(name, minimum=minimum)
    return tuple(_known(check, f"verdict.{name}") for check in checks)


def _known(check: str, what: str) -> str:
    if check not in CHECKS:
        raise UnsupportedError(what, expected="checks of this release", got=excerpt(check))
    return check


def _finding(item: JsonObject) -> Finding:
    finding = Finding(
        check=_known(item.text("check"), f"{item.what}.check"),
        status=Status(item.choice("status", tuple(Status))),
        cls=FindingClass(item.choice("class", tuple(FindingClass))),
        expected=item.text("expected", pattern=_TEXT),
        got=item.text("got", pattern=_TEXT),
        source=item.text("source", pattern=_TEXT),
        hint=item.text("hint", pattern=_TEXT),
    )
    spec = item.text("spec")
    item.end()
    if spec != finding.spec:
        raise UnsupportedError(f"{item.what}.spec", expected=finding.spec, got=excerpt(spec))
    if CHECKS[finding.check].informative and finding.status is not Status.INFO:
        expected = "info, because this check is no test"
        raise ParseError(f"{item.what}.status", expected=expected, got=finding.status)
    return finding


def _require_agreement(document: JsonObject, verdict: Verdict) -> None:
    outcome = document.choice("verdict", tuple(Outcome))
    if outcome != verdict.outcome:
        raise document.refuse(
            "verdict", expected=f"{verdict.outcome}, by the findings", got=outcome
        )
    code = document.integer("exitCode", maximum=max(EXIT_CODES.values()))
    if code != verdict.exit_code:
        raise document.refuse("exitCode", expected=str(verdict.exit_code), got=str(code))
    _require_borne_level(document, verdict)
    skipped = document.array("skipped")
    expected = tuple(finding.check for finding in verdict.skipped)
    if skipped != expected:
        got = excerpt(", ".join(map(str, skipped)))
        raise document.refuse("skipped", expected=", ".join(expected) or "none", got=got)


def _require_borne_level(document: JsonObject, verdict: Verdict) -> None:
    # What ran the guest stands in no finding, so a level can be refused here and not confirmed.
    borne = levels_borne(platform=verdict.platform, findings=verdict.findings)
    if verdict.level and (verdict.target.kind != "drive" or verdict.level not in borne):
        expected = "null, or a level that the findings of a drive bear"
        raise document.refuse("level", expected=expected, got=verdict.level)
