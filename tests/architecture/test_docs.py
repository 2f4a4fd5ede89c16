"""What the documents say about the code, held against the code."""

from __future__ import annotations

import fnmatch
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import ROOT, modules, modules_of_tests
from verifier.appraisal.checks import CHECKS
from verifier.appraisal.verdict import EXIT_CODES

# 2 and 70 are no verdicts: usage or an unusable policy, and a bug.
CODES = {**{str(code): str(word) for word, code in EXIT_CODES.items()}, "2": "", "70": ""}
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)#\s]+)(#[^)\s]*)?\)")
CHECK = re.compile(r"`((?:bundle|drive|log|release|evidence|rebuild|scan|snp)\.[a-z_.*]+)`")
VARIABLE = re.compile(r"\bCVM_(?:AUDIT|LOG)_[A-Z_]+\b")


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def document(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def table_rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith(("|--", "|:-", "| --")):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def missing_exit_codes(text: str) -> list[str]:
    """Exit codes without a table row that starts with the code and has the verdict's word."""
    rows = [row for row in table_rows(text) if row[0] in CODES]
    return [
        code
        for code, word in CODES.items()
        if not any(row[0] == code and f"`{word}`" in (*row, "``") for row in rows)
    ]


def dead_links(path: Path, text: str) -> list[str]:
    targets = (match[1] for match in LINK.finditer(text))
    local = (target for target in targets if not re.match(r"[a-z]+:", target))
    return [target for target in local if not (path.parent / target).exists()]


def unknown_checks(text: str) -> list[str]:
    """Check ids, or patterns of ids, in a text that match no registered check."""
    return sorted(name for name in set(CHECK.findall(text)) if not fnmatch.filter(CHECKS, name))


def test_every_check_that_is_named_exists() -> None:
    named = {path: unknown_checks(path.read_text("utf-8")) for path in documents()}
    assert not {path.name: names for path, names in named.items() if names}
    assert CHECK.findall(document("threat-model.md"))


def test_an_unknown_check_is_reported() -> None:
    text = "`log.inclusion` `log.nonsense` `snp.chain.*` `snp.x.*` `log_server/` `release.*`"
    assert unknown_checks(text) == ["log.nonsense", "snp.x.*"]


def test_every_exit_code_is_documented() -> None:
    assert not missing_exit_codes(document("architecture.md"))


def test_a_missing_exit_code_is_reported() -> None:
    table = "| 0 | `VERIFIED` |\n| 1 | `FAILED` |\n| 2 | usage |\n| 3 | `FAILED` |\n| 70 | bug |\n"
    assert missing_exit_codes(table) == ["3", "4"]


def test_links_between_documents_work() -> None:
    dead = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in documents()
        for target in dead_links(path, path.read_text("utf-8"))
    ]
    assert not dead, "\n" + "\n".join(dead)


def test_a_dead_link_is_reported() -> None:
    text = "[a](gone.md) [b](architecture.md#x) [c](https://example.invalid/x)"
    assert dead_links(ROOT / "docs" / "limitations.md", text) == ["gone.md"]


def test_decisions_are_numbered_listed_and_complete() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    index = document("adr/README.md")
    for path in records:
        text = path.read_text("utf-8")
        assert f"]({path.name})" in index, path.name
        assert text.startswith(f"# {path.name[:4]} "), path.name
        for heading in ("Status:", "## Context", "## Options", "## Decision", "## Consequences"):
            assert heading in text, f"{path.name} lacks {heading}"


def test_every_environment_variable_is_documented() -> None:
    sources = [module.text for module in (*modules(), *modules_of_tests())]
    sources += [
        (ROOT / name).read_text("utf-8") for name in ("Makefile", ".github/workflows/ci.yml")
    ]
    used = {name for text in sources for name in VARIABLE.findall(text)}
    assert used
    documented = {
        name for path in documents() for name in VARIABLE.findall(path.read_text("utf-8"))
    }
    assert used - documented == set()


def test_every_make_target_is_documented() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = re.findall(r"^make (\w+)", listed.stdout, re.MULTILINE)
    assert {"demo", "test", "lint", "bench", "relock", "clean", "help"} <= set(targets)
    documented = document("architecture.md")
    assert [name for name in targets if f"`make {name}`" not in documented] == []


def test_every_room_is_on_the_map() -> None:
    rooms = {".".join(module.name.split(".")[:2]) for module in modules() if "." in module.name}
    text = document("architecture.md")
    packages = {room for room in rooms if (ROOT / room.replace(".", "/")).is_dir()}
    paths = {f"{room.replace('.', '/')}/" for room in packages if not room.startswith("log_server")}
    assert {path for path in paths if f"`{path}`" not in text} == set()
