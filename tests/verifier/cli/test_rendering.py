"""Formats on the command line: which one is printed, which are files, and how the run ends."""

from __future__ import annotations

import base64
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.making import NOW, PUBLISHER, Log, bundle, entry, policy
from tests.running import ROOT, Ran, cvm_audit
from verifier.release.dsse import open_envelope, parse_envelope
from verifier.release.publisher import parse_publisher_key
from verifier.report.formats import FORMATS

AT = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
LOG = Log((b"another entry", entry()))
FIRST_WORDS = {
    "text": "target   bundle",
    "json": "{\n",
    "jsonl": '{"line":"head"',
    "sarif": '{\n  "$schema"',
    "junit": "<?xml",
    "markdown": "## cvm-audit: ",
    "html": "<!DOCTYPE html>",
    "vsa": '{"_type":"https://in-toto.io/Statement/v1"',
}


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    """A bundle with a logged release, a policy that it satisfies, and one that it does not."""
    files = bundle({"release-entry": entry(), "release-proof": LOG.proof(1)})
    files |= {"../good.toml": policy(LOG, require=("log", "release"))}
    files |= {"../bad.toml": policy(LOG, require=("log", "release"), release={"role": "guard"})}
    files |= {"../part.toml": policy(LOG, require=("log",))}
    for name, content in files.items():
        path = tmp_path / "bundle" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def verify(folder: Path, *more: object, rules: str = "good") -> Ran:
    command = ("verify", folder / "bundle", "--policy", folder / f"{rules}.toml", "--at", AT)
    return cvm_audit(*command, *more)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("option", ["-f", "--format"])
def test_every_format_is_printed(logged: Path, form: str, option: str) -> None:
    for rules, code in (("good", 0), ("bad", 1)):
        ran = verify(logged, option, form, rules=rules)
        assert ran.code == code
        assert ran.out.startswith(FIRST_WORDS[form])
        assert ran.out.endswith("\n")


def test_files_are_written_beside_the_text(logged: Path) -> None:
    wanted = [word for form in FORMATS for word in ("-o", f"{form}={logged / form}")]
    ran = verify(logged, *wanted, rules="bad")
    assert (ran.code, ran.last.split(";")[0]) == (1, "FAILED")
    for form in FORMATS:
        printed = verify(logged, "-f", form, rules="bad").out
        assert (logged / form).read_text("utf-8").rstrip("\n") == printed.rstrip("\n"), form


def test_a_dash_prints_instead_of_the_text(logged: Path) -> None:
    ran = verify(logged, "-o", "json=-", "-o", f"sarif={logged / 'x.sarif'}")
    assert json.loads(ran.out)["verdict"] == "VERIFIED"
    assert (logged / "x.sarif").exists()
    assert not (Path.cwd() / "-").exists()


def test_json_is_an_alias(logged: Path) -> None:
    assert verify(logged, "--json").out == verify(logged, "--format", "json").out
    assert verify(logged, "--json", "-f", "json", "-o", "json=-").code == 0


@pytest.mark.parametrize(
    "more",
    [
        ("--json", "-f", "text"),
        ("-o", "json=-", "-o", "sarif=-"),
        ("-o", "html=-", "--format", "vsa"),
    ],
)
def test_two_formats_cannot_share_stdout(logged: Path, more: tuple[str, ...]) -> None:
    ran = verify(logged, *more)
    assert (ran.code, ran.out) == (2, "")
    assert "only one format can go to stdout" in ran.err


def test_require_all_ends_partial_with_1_and_changes_no_word(logged: Path) -> None:
    loose = verify(logged, "--json", rules="part")
    strict = verify(logged, "--json", "--require-all", rules="part")
    assert (loose.code, strict.code) == (4, 1)
    assert loose.out == strict.out
    assert json.loads(strict.out)["verdict"] == "PARTIAL"
    ran = verify(logged, "--require-all", rules="part")
    assert " --require-all --at " in ran.last
    assert verify(logged, "--require-all").code == 0


def envelope(ran: Ran) -> dict[str, Any]:
    key = parse_publisher_key(str(PUBLISHER.key.vkey))
    opened = open_envelope(parse_envelope(ran.out.strip().encode()), publishers=(key,), threshold=1)
    assert opened.envelope.payload_type == "application/vnd.in-toto+json"
    statement = json.loads(opened.envelope.payload)
    assert isinstance(statement, dict)
    return statement


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The fixed publisher's private key, in a file that only its owner reads."""
    path = tmp_path / "publisher.key"
    seed = base64.b64encode(b"\x01" + b"P" * 32).decode()
    path.write_text(f"PRIVATE+KEY+{PUBLISHER.key.keyid}+{seed}\n")
    path.chmod(0o600)
    return path


def test_a_summary_can_be_signed(logged: Path, key: Path) -> None:
    bare = json.loads(verify(logged, "-f", "vsa").out)
    assert envelope(verify(logged, "-f", "vsa", "--sign-vsa", key)) == bare
    assert bare["predicate"]["verificationResult"] == "PASSED"
    failed = envelope(verify(logged, "-f", "vsa", "--sign-vsa", key, rules="bad"))
    assert failed["predicate"]["verificationResult"] == "FAILED"


def test_only_a_summary_is_signed(logged: Path, key: Path) -> None:
    ran = verify(logged, "--sign-vsa", key)
    assert (ran.code, ran.out) == (2, "")
    assert "none is asked for: add -o vsa=FILE" in ran.err
    files = ("-o", f"vsa={logged / 'vsa'}", "-o", f"json={logged / 'json'}")
    assert verify(logged, *files, "--sign-vsa", key).code == 0
    assert "payloadType" in (logged / "vsa").read_text()
    assert "payloadType" not in (logged / "json").read_text()


def test_a_key_that_others_may_read_signs_nothing(logged: Path, key: Path) -> None:
    key.chmod(0o644)
    ran = verify(logged, "-f", "vsa", "--sign-vsa", key)
    assert (ran.code, ran.out) == (2, "")
    assert "0644 (expected mode 0600)" in ran.err


@pytest.fixture
def stored(logged: Path) -> Path:
    """A verdict that was FAILED, as JSON."""
    path = logged / "verdict.json"
    verify(logged, "-o", f"json={path}", rules="bad")
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_a_stored_verdict_is_written_in_every_format(logged: Path, stored: Path, form: str) -> None:
    ran = cvm_audit("report", "render", stored, "--format", form)
    assert ran.code == 0
    assert ran.out.startswith(FIRST_WORDS[form])
    assert ran.err == "nothing here is verified: this is what the document says\n"
    if form in ("json", "jsonl", "vsa"):  # these name no command
        assert ran.out == verify(logged, "-f", form, rules="bad").out


def test_a_stored_verdict_names_no_command(stored: Path) -> None:
    assert cvm_audit("report", "render", stored).last.endswith("; failed: release.role")


def test_a_forged_stored_verdict_is_refused(stored: Path) -> None:
    stored.write_text(stored.read_text().replace('"FAILED"', '"VERIFIED"'))
    ran = cvm_audit("report", "render", stored, "-f", "html")
    assert (ran.code, ran.out) == (1, "")
    expected = "cvm-audit: verdict.verdict: VERIFIED (expected FAILED, by the findings)\n"
    assert ran.err == expected


def test_a_stored_verdict_cannot_be_signed(stored: Path, key: Path) -> None:
    ran = cvm_audit("report", "render", stored, "-f", "vsa", "--sign-vsa", key)
    assert (ran.code, ran.out) == (2, "")
    assert "--sign-vsa" in ran.err


@pytest.mark.parametrize(
    ("terminal", "environment", "coloured"),
    [
        (False, {}, False),
        (True, {}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (False, {"CLICOLOR_FORCE": "1"}, True),
        (False, {"CLICOLOR_FORCE": "0"}, False),
        (False, {"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_is_for_terminals(
    logged: Path, terminal: bool, environment: dict[str, str], coloured: bool
) -> None:
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CLICOLOR_FORCE")}
    arguments = ["verify", logged / "bundle", "--policy", logged / "good.toml", "--at", AT]
    command = [sys.executable, "-m", "verifier", *map(str, arguments)]
    ours, theirs = pty.openpty() if terminal else os.pipe()
    with subprocess.Popen(command, cwd=ROOT, env=clean | environment, stdout=theirs) as running:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 65536):
                shown += block
        except OSError:  # how a terminal says that nobody writes to it any more
            pass
    os.close(ours)
    assert running.returncode == 0
    assert (b"\x1b[1;32mVERIFIED\x1b[0m; " in shown) == coloured
    assert (b"\x1b" in shown) == coloured
    assert b"VERIFIED" in shown


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "text"])
def test_a_document_is_never_coloured(
    logged: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    assert "\x1b" not in verify(logged, "-f", form).out
    assert "\x1b" in verify(logged).out
