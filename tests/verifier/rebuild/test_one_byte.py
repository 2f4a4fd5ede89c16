"""One byte changed in any input, source file, lock line, artifact or logged digest is FAILED."""

from __future__ import annotations

import shutil

import pytest

from tests.making import changed
from tests.running import Ran
from tests.verifier.rebuild.toy_release import (
    INPUTS,
    ROLES,
    ToyRelease,
    failures,
    finding,
    flipped,
)

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed")

SOURCES = (
    "pipeline/__init__.py",
    "pipeline/image/__init__.py",
    "pipeline/image/__main__.py",
    "pipeline/image/kernel.config",
    "pipeline/node/__init__.py",
    "pipeline/node/init.py",
    "verifier/__init__.py",
)
MEMBERS = ("architecture", "name", "path", "role", "sha256", "size", "suite", "version")


def refused(ran: Ran, check: str) -> dict[str, str]:
    """The finding that names it, in a verdict that is FAILED."""
    assert (ran.code, '"verdict": "FAILED"' in ran.out) == (1, True), ran.out + ran.err
    return finding(ran, check)


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("name", INPUTS)
def test_of_an_input(toy: ToyRelease, name: str, place: int) -> None:
    flipped(toy.input(name), place)
    found = refused(toy.rebuild("--json"), "rebuild.inputs")
    assert found["source"] == f"{name} 1.0-1"
    assert found["expected"] == f"{name} 1.0-1: sha256 {toy.input(name).name}"
    assert found["got"].startswith("sha256 ")


@pytest.mark.parametrize("name", INPUTS)
def test_of_an_input_in_a_bundle(toy: ToyRelease, name: str) -> None:
    bundle = toy.bundle(lambda each, raw: bytes([raw[0] ^ 1]) + raw[1:] if each == name else raw)
    ran = toy.rebuild("--json", inputs=("--inputs", bundle))
    assert refused(ran, "rebuild.inputs")["source"] == f"{name} 1.0-1"


@pytest.mark.parametrize("name", INPUTS)
def test_of_an_input_that_is_missing_is_not_determined(toy: ToyRelease, name: str) -> None:
    toy.input(name).unlink()
    ran = toy.rebuild("--json")
    assert (ran.code, '"verdict": "NOT DETERMINED"' in ran.out) == (3, True)
    found = finding(ran, "rebuild.inputs", "error")
    assert (found["source"], found["got"]) == (f"{name} 1.0-1", f"{name} 1.0-1 is not at hand")
    assert "--inputs" in found["hint"]
    assert not failures(ran)


@pytest.mark.parametrize("path", SOURCES)
def test_of_a_source_file(toy: ToyRelease, path: str) -> None:
    # In a comment at the end, so that the change is one of the bytes and of nothing else.
    file = toy.source / path
    file.write_bytes(file.read_bytes() + b"# a\n")
    toy.state()
    flipped(file, -2)
    found = refused(toy.rebuild("--json"), "rebuild.source")
    assert found["expected"].startswith("sha256 ")
    assert found["got"] != found["expected"]


def test_every_source_file_of_the_toy_was_tried(toy: ToyRelease) -> None:
    listed = {path.relative_to(toy.source).as_posix() for path in toy.source.rglob("*.*")}
    assert listed == {*SOURCES, "pipeline/image/inputs.lock"}


@pytest.mark.parametrize("member", MEMBERS)
def test_of_a_lock_line(toy: ToyRelease, member: str) -> None:
    lock = toy.image / "inputs.lock"
    lines = lock.read_text().splitlines(keepends=True)
    number = max(n for n, line in enumerate(lines) if line.startswith(f"{member} = "))
    head, _, value = lines[number].rstrip("\n").partition(" = ")
    place = 1 if value.startswith('"') else 0
    other = {"0": "1", "9": "8"}.get(value[place], chr(ord(value[place]) ^ 1))
    lines[number] = f"{head} = {value[:place]}{other}{value[place + 1 :]}\n"
    lock.write_text("".join(lines))
    ran = toy.rebuild("--json")
    found = refused(ran, "rebuild.lock")
    assert found["got"] != found["expected"]
    assert "rebuild.source" in failures(ran)


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("name", ROLES)
def test_of_an_offered_artifact(toy: ToyRelease, name: str, place: int) -> None:
    flipped(toy.artifacts / name, place)
    ran = toy.rebuild("--json", "--artifacts", toy.artifacts)
    assert failures(ran) == {"rebuild.released"}
    found = refused(ran, "rebuild.released")
    assert found["source"] == name
    assert f"{name}: " in found["got"]
    assert "first difference: " in found["got"]


@pytest.mark.parametrize("digit", [0, 63])
@pytest.mark.parametrize("name", ROLES)
def test_of_a_logged_digest(toy: ToyRelease, name: str, digit: int) -> None:
    place = next(n for n, item in enumerate(toy.document["subject"]) if item["name"] == name)
    logged = toy.document["subject"][place]["digest"]["sha256"]
    other = "1" if logged[digit] == "0" else "0"
    wrong = logged[:digit] + other + logged[digit + 1 :]
    toy.document = changed(toy.document, f"subject/{place}/digest/sha256", wrong)
    ran = toy.rebuild("--json")
    assert failures(ran) == {"rebuild.artifact"}
    found = refused(ran, "rebuild.artifact")
    assert found["source"] == name
    assert found["expected"].endswith(f"sha256 {wrong}")
    assert found["got"].endswith(f"sha256 {logged}")


@pytest.mark.parametrize("name", ROLES)
def test_of_a_logged_size(toy: ToyRelease, name: str) -> None:
    place = next(
        n for n, item in enumerate(toy.document["predicate"]["artifacts"]) if item["name"] == name
    )
    size = toy.document["predicate"]["artifacts"][place]["size"]
    toy.document = changed(toy.document, f"predicate/artifacts/{place}/size", size + 1)
    found = refused(toy.rebuild("--json"), "rebuild.artifact")
    assert found["source"] == name
    assert found["expected"].startswith(f"{size + 1} bytes")


@pytest.mark.parametrize("row", [0, 8, 17])
def test_of_a_logged_measurement(toy: ToyRelease, row: int) -> None:
    member = f"predicate/measurements/{row}/value"
    logged = toy.document["predicate"]["measurements"][row]["value"]
    wrong = ("1" if logged[0] == "0" else "0") + logged[1:]
    toy.document = changed(toy.document, member, wrong)
    ran = toy.rebuild("--json")
    assert failures(ran) == {"rebuild.measurement"}
    found = refused(ran, "rebuild.measurement")
    assert found["expected"].endswith(wrong)
    assert found["got"] == f"{logged}; 1 of 18 rows differ"
