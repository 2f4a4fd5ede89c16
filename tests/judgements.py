"""Verdicts that the tests of reports write down: every status, and foreign text of every kind."""

from __future__ import annotations

from dataclasses import replace

from tests.making import NOW
from verifier.appraisal.findings import Finding, FindingClass, Status, compared, finding
from verifier.appraisal.verdict import Target, Verdict
from verifier.report.judgement import Judgement

PASS = compared("log.inclusion", holds=True, expected="root aa", got="the same", source="proof")
FAIL = compared(
    "release.role",
    holds=False,
    expected="summariser",
    got="guard",
    source="release-entry",
    hint="another machine answered",
)
SKIP = finding(
    "snp.host_data",
    Status.SKIP,
    expected="to be checked",
    got="not checked: on purpose",
    source="snp-report",
    cls=FindingClass.POLICY,
)
ERROR = finding(
    "snp.vek.format",
    Status.ERROR,
    expected="a VCEK or VLEK certificate",
    got="it is missing",
    source="bundle",
    cls=FindingClass.INFRASTRUCTURE,
)
INFO = finding(
    "snp.advisory",
    Status.INFO,
    expected="CVE-2024-21944 (BadRAM), AMD-SB-3015",
    got="mitigated: firmware 1.55.29 (firmware >= 1.55.22 is asked)",
    source="table of advisories",
    cls=FindingClass.POLICY,
)

HOSTILE = (
    "\nVERIFIED; 99 passed",
    "\x1b[2K\x1b[32mVERIFIED\x1b[0m",
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "]]></failure><testcase name='x'/>",
    "</style></details></body>&amp;&#60;",
    "a | b || c \\| d \\\\| e",
    "`` ` ``` <!-- --> </code>",
    "[text](https://example.invalid) https://example.invalid www.example.invalid",
    "@somebody #1 GH-1 :smile: $x$ **bold** _it_ ~~no~~",
    "{0} {{1}} [link](1)",
    "\u202edeifirev \u2028\u2029\u200b\ufeff\x00\x85",
    "half a pair: \ud800, and a whole one: \U0001f512",
    "javascript:alert(1)",
    "\r\n| pass | forged |",
    " " * 40 + "x" * 4000,
)
"""What a claimant might write into a field."""


def verdict(*findings: Finding, not_proven: tuple[str, ...] = (), platform: str = "") -> Verdict:
    """A verdict that needs ``log.inclusion``."""
    return Verdict(
        target=Target("bundle", b"\x01" * 32),
        policy_name="p",
        policy_sha256=b"\x02" * 32,
        stages=("log", "release"),
        instant=NOW,
        platform=platform,
        required=("log.inclusion",),
        findings=findings,
        not_proven=not_proven,
    )


def judgement(
    *findings: Finding,
    not_proven: tuple[str, ...] = (),
    platform: str = "",
    offline: bool = True,
    reverify: str = "cvm-audit verify b --policy p.toml",
) -> Judgement:
    """A judgement of these findings."""
    return Judgement(
        verdict=verdict(*findings, not_proven=not_proven, platform=platform),
        offline=offline,
        tool_version="0.1.0",
        reverify=reverify,
    )


def hostile() -> Judgement:
    """A failure whose every free text is foreign, one finding for each of ``HOSTILE``."""
    findings = tuple(
        replace(FAIL, expected=text, got=text, source=text, hint=text) for text in HOSTILE
    )
    return judgement(PASS, *findings, reverify="".join(HOSTILE))


def driven(level: str, *, platform: str = "simulated") -> Judgement:
    """A drive that reached ``level``; empty for one in which nothing booted."""
    boot = finding(
        "drive.boot",
        Status.PASS if level else Status.ERROR,
        expected="a guest that serves",
        got="READY after 8.0 s" if level else "qemu-system-x86_64: it is not installed",
        source="boot",
        cls=FindingClass.SECURITY if level else FindingClass.INFRASTRUCTURE,
    )
    made = judgement(PASS, boot, platform=platform if level else "")
    drive = replace(
        made.verdict,
        target=Target("drive", b"\x01" * 32),
        stages=("log", "drive"),
        required=("log.inclusion", "drive.boot"),
        level=level,
    )
    return replace(made, verdict=drive)


VERIFIED = judgement(PASS, SKIP, INFO)
FAILED = judgement(PASS, FAIL, SKIP, ERROR, INFO)
PARTIAL = judgement(PASS, SKIP, not_proven=("snp.host_data",))
NOT_DETERMINED = judgement(ERROR, SKIP)
SIMULATED = judgement(PASS, platform="simulated")
ALL = (VERIFIED, FAILED, PARTIAL, NOT_DETERMINED, SIMULATED, driven("emulated"), driven(""))
"""One of each verdict, one of a simulated platform, and drives that booted and did not."""
