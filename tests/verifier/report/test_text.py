from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.judgements import (
    ALL,
    ERROR,
    FAIL,
    HOSTILE,
    INFO,
    PASS,
    SKIP,
    VERIFIED,
    hostile,
    judgement,
    verdict,
)
from verifier.report.judgement import Judgement
from verifier.report.text import one_line, render_text

ADVISORY = (
    "info  snp.advisory  what the evidence says of one known vulnerability "
    "[verifier/appraisal/advisories]: CVE-2024-21944 (BadRAM), AMD-SB-3015: "
    "mitigated: firmware 1.55.29 (firmware >= 1.55.22 is asked)"
)
TEXT = f"""\
target   bundle (sha256 {"01" * 32})
policy   p (sha256 {"02" * 32})
enforces log, release: 1 required checks
instant  2026-11-21T12:00:00Z, offline

pass  log.inclusion  the entry is in the tree that the checkpoint signs [RFC 6962 section 2.1.1]: the same
fail  release.role  the release is for the role of the policy [design section 4]
      expected: summariser
      got:      guard
      source:   release-entry; class security
      hint:     another machine answered
skip  snp.host_data  HOST_DATA is what the policy expects [SNP ABI, HOST_DATA]: not checked: on purpose
{ADVISORY}

FAILED; 1 passed; failed: release.role; skipped: snp.host_data; 1 for information; re-verify: cmd
"""  # noqa: E501 - the output is not wrapped


def test_text_line_by_line() -> None:
    assert render_text(judgement(PASS, FAIL, SKIP, INFO, reverify="cmd")) == TEXT


def last(made: Judgement) -> str:
    return render_text(replace(made, reverify="")).splitlines()[-1]


def test_the_last_line_holds_the_verdict() -> None:
    assert last(judgement(PASS)) == "VERIFIED; 1 passed"
    assert last(judgement(PASS, INFO)) == "VERIFIED; 1 passed; 1 for information"
    assert last(judgement(PASS, SKIP)) == "VERIFIED; 1 passed; skipped: snp.host_data"
    partial = judgement(PASS, SKIP, not_proven=("snp.host_data",))
    assert last(partial) == "PARTIAL; 1 passed; not proven: snp.host_data"
    assert last(judgement(SKIP)) == "NOT DETERMINED; 0 passed; skipped: snp.host_data"
    assert last(judgement(INFO)) == "NOT DETERMINED; 0 passed; 1 for information"


def test_a_simulated_platform_is_said_in_the_verdict_line_whatever_the_verdict() -> None:
    label = " (simulated platform, synthetic vendor keys: proves nothing about hardware); "
    for findings in ((PASS,), (FAIL,), (SKIP,)):
        assert label in last(judgement(*findings, platform="simulated"))
        assert "simulated" not in last(judgement(*findings, platform="hardware"))
    assert label in last(judgement(PASS, not_proven=("x",), platform="simulated"))


def test_without_a_policy_there_is_no_digest() -> None:
    bare = replace(verdict(PASS), policy_name="no policy", policy_sha256=b"")
    assert "\npolicy   no policy\n" in render_text(replace(VERIFIED, verdict=bare))


def test_online_is_said() -> None:
    assert "\ninstant  2026-11-21T12:00:00Z, online\n" in render_text(judgement(offline=False))


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_is_one_printable_line(text: str) -> None:
    assert one_line(text).isprintable()
    assert one_line(f"a{text}").startswith("a")


def test_foreign_text_cannot_forge_a_line_or_paint() -> None:
    shown = render_text(hostile())
    lines = shown.splitlines()
    assert len(lines) == 4 + 1 + 1 + 5 * len(HOSTILE) + 1 + 1
    assert not any(line.startswith(("VERIFIED", "pass  release")) for line in lines)
    assert "\x1b" not in shown


def test_colour_paints_words_that_stand_there_anyway() -> None:
    for made in ALL:
        painted = render_text(made, colour=True)
        assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == render_text(made)
        assert painted.count("\x1b[0m") == len(made.verdict.findings) + 1


def test_each_status_has_a_colour_and_only_its_word_is_painted() -> None:
    lines = render_text(judgement(PASS, FAIL, SKIP, ERROR, INFO), colour=True).splitlines()
    begins = [line.split(" ", 1)[0] for line in lines if line.startswith("\x1b")]
    assert begins == [
        "\x1b[1;32mpass\x1b[0m",
        "\x1b[1;31mfail\x1b[0m",
        "\x1b[1;33mskip\x1b[0m",
        "\x1b[1;33merror\x1b[0m",
        "\x1b[1;34minfo\x1b[0m",
        "\x1b[1;31mFAILED\x1b[0m;",
    ]


def test_a_foreign_escape_is_not_painted_by() -> None:
    assert "\x1b[2K" not in render_text(hostile(), colour=True)


def test_green_is_never_the_colour_of_a_simulated_verdict() -> None:
    good, simulated, failed = (
        render_text(judgement(found, platform=platform), colour=True).splitlines()[-1]
        for found, platform in ((PASS, "hardware"), (PASS, "simulated"), (FAIL, "simulated"))
    )
    assert good.startswith("\x1b[1;32mVERIFIED\x1b[0m; ")
    assert simulated.startswith("\x1b[1;33mVERIFIED\x1b[0m (simulated ")
    assert failed.startswith("\x1b[1;31mFAILED\x1b[0m (simulated ")
