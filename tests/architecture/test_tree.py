"""The files of the project: nothing of one machine or one registry, everything pinned."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import log_server
import verifier
from tests.architecture.source import ROOT, words

LOCKS = ("runtime", "dev", "relock")
SKIPPED = words(
    ".git .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis __pycache__ dist build"
)

# Written apart, so that this file does not contain them.
FORBIDDEN = tuple(
    "".join(parts)
    for parts in (
        ("/wo", "rk/"),
        ("/tm", "p/venv"),
        ("/ro", "ot/"),
        ("pypi", ".org"),
        ("files.python", "hosted.org"),
        ("deb.deb", "ian.org"),
        ("proxy.go", "lang.org"),
        ("registry.", "npmjs.org"),
        ("crates", ".io"),
    )
)
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d[\w.]*")


def tracked() -> list[Path]:
    """What git has or would add; without git, every file that is not a tool's cache."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if (ROOT / ".git").exists():
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
        names = sorted(set(listed.decode().split("\0")) - {""})
        return [ROOT / name for name in names if (ROOT / name).is_file()]
    found = [path for path in ROOT.rglob("*") if not SKIPPED.intersection(path.parts)]
    return sorted(path for path in found if path.is_file())


def forbidden_text(text: str) -> list[str]:
    return [
        f"{number}: {word}"
        for number, line in enumerate(text.splitlines(), 1)
        for word in FORBIDDEN
        if word in line
    ]


def unpinned_actions(workflow: str) -> list[str]:
    used = re.findall(r"^\s*(?:- )?uses:\s*(.+?)\s*$", workflow, re.MULTILINE)
    return [use for use in used if not use.startswith("./") and not PINNED.fullmatch(use)]


def unhashed(lock: str) -> list[str]:
    """Requirements of a lock without version and hash, and any line that is something else."""
    logical = re.sub(r"\s*\\\n\s*", " ", lock).splitlines()
    pattern = re.compile(r"[\w.-]+==[\w.]+( ; [^#]+?)?( --hash=sha256:[0-9a-f]{64})+")
    return [line for line in logical if line.strip() and not pattern.fullmatch(line.strip())]


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text("utf-8")
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_nothing_names_a_machine_or_a_registry() -> None:
    files = tracked()
    assert len(files) > 50
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files
        for line in forbidden_text(path.read_text("utf-8", errors="replace"))
    ]
    assert not found, "\n" + "\n".join(found)


def test_a_machine_path_is_reported() -> None:
    assert forbidden_text(f"a\nb {FORBIDDEN[0]}main\n") == [f"2: {FORBIDDEN[0]}"]
    assert not forbidden_text("/work-demo/ and rooted/\n")


def test_actions_are_pinned_and_have_no_permissions() -> None:
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert workflows
    for path in workflows:
        text = path.read_text("utf-8")
        assert not unpinned_actions(text), path
        assert re.search(r"^permissions: \{\}$", text, re.MULTILINE), path


def test_an_unpinned_action_is_reported() -> None:
    for use in ("actions/checkout@v5", "actions/checkout@main # v5", f"a/b@{'0' * 40}"):
        assert unpinned_actions(f"steps:\n  - uses: {use}\n") == [use]
    assert not unpinned_actions(f"  - uses: a/b@{'0' * 40} # v5.0.0\n  - uses: ./here\n")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_requirement_has_its_hashes(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text("utf-8")
    assert pins(lock)
    assert not unhashed(text)


def test_an_unhashed_requirement_is_reported() -> None:
    digest = "--hash=sha256:" + "0" * 64
    for line in ("click==8.5.1", "--index-url x", f"click>=8 {digest}", f"click @ file:x {digest}"):
        assert unhashed(line + "\n") == [line]
    assert not unhashed(f"click==8.5.1 ; os_name == 'x' \\\n    {digest} \\\n    {digest}\n")


def test_the_locks_hold_what_the_project_asks_for() -> None:
    asked = project()
    extras = asked["project"]["optional-dependencies"]
    runtime = [*asked["project"]["dependencies"], *extras["log"], *extras["postgresql"]]
    groups = asked["dependency-groups"]
    wanted = {
        "runtime": runtime,
        "dev": [*runtime, *groups["dev"], *groups["build"]],
        "relock": groups["relock"],
    }
    for lock, texts in wanted.items():
        for requirement in map(Requirement, texts):
            version = pins(lock).get(requirement.name)
            assert version is not None, f"{requirement.name} is not in {lock}.lock: make relock"
            assert requirement.specifier.contains(version), f"{requirement} in {lock}.lock"


def test_both_locks_agree() -> None:
    runtime, dev = pins("runtime"), pins("dev")
    assert runtime.items() <= dev.items()
    assert len(runtime) < len(dev)


def test_every_part_has_the_version_of_the_distribution() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert (verifier.__version__, log_server.__version__) == (version, version)
