"""``release rebuild`` where the release names another recipe than its bytes are of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from tests.making import changed
from tests.running import ROOT, cvm_audit
from tests.verifier.rebuild.toy_release import ToyRelease, failures, finding, payload, release
from verifier.release.image_manifest import parse_image_manifest

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed")

UNKNOWN = ("cvm-audit/reference-image/from-source/v2", "toy/2", "TOY/1", "toy/1 ")
CHECK = "rebuild.recipe"


def claim(toy: ToyRelease, recipe: str) -> None:
    toy.document = changed(toy.document, "predicate/build/recipe", recipe)


def statement(toy: ToyRelease, folder: Path) -> dict[str, str]:
    """What a rebuilder signs of it."""
    key = toy.root / "rebuilder.key"
    cvm_audit("release", "keygen", "--name", "rebuilder.invalid/one", "-o", key)
    toy.rebuild("--key", key, "--statement", folder)
    predicate: dict[str, str] = payload(folder)["predicate"]
    return predicate


def test_the_manifest_of_a_toy_is_of_the_genuine_schema(toy: ToyRelease) -> None:
    raw = (toy.artifacts / "manifest.json").read_bytes()
    schema = json.loads((ROOT / "schemas" / "image-manifest.v1.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(raw))
    assert parse_image_manifest(raw).build.recipe == "toy/1"


def test_the_recipe_that_was_built_is_the_one_of_the_release(toy: ToyRelease) -> None:
    toy.write_entry()
    ran = toy.rebuild("--json", *toy.known)
    assert ran.code == 0, ran.out
    found = finding(ran, CHECK, "pass")
    assert (found["expected"], found["got"]) == ("recipe toy/1", "recipe toy/1")
    assert found["source"] == "manifest.json"
    assert CHECK in json.loads(ran.out)["required"]


@pytest.mark.parametrize("recipe", UNKNOWN)
def test_pinned_binaries_under_the_name_of_something_else(toy: ToyRelease, recipe: str) -> None:
    claim(toy, recipe)
    toy.write_entry()
    ran = toy.rebuild("--json", *toy.known, "--artifacts", toy.artifacts)
    assert (ran.code, json.loads(ran.out)["verdict"]) == (1, "FAILED")
    assert failures(ran) == {CHECK}
    found = finding(ran, CHECK)
    assert (found["expected"], found["got"]) == (f"recipe {recipe}", "recipe toy/1")
    assert (found["class"], found["source"]) == ("security", "manifest.json")
    assert "built without compiling" in found["hint"]


def test_a_build_that_makes_no_manifest(toy: ToyRelease) -> None:
    toy.behave("unlisted")
    release(toy)
    ran = toy.rebuild("--json")
    assert (ran.code, failures(ran)) == (1, {CHECK})
    found = finding(ran, CHECK)
    assert (found["expected"], found["got"]) == ("recipe toy/1", "the build made no manifest.json")
    assert found["class"] == "input"


def test_a_build_that_makes_a_manifest_that_cannot_be_read(toy: ToyRelease) -> None:
    toy.behave("cut")
    release(toy)
    ran = toy.rebuild("--json")
    assert (ran.code, failures(ran)) == (1, {CHECK})
    found = finding(ran, CHECK)
    assert found["expected"] == "recipe toy/1"
    assert found["got"].startswith("it cannot be read: image manifest: ")
    assert found["class"] == "input"


def test_where_nothing_was_built_it_is_not_determined(toy: ToyRelease) -> None:
    claim(toy, "toy/2")
    toy.input("tool").unlink()
    ran = toy.rebuild("--json")
    assert (ran.code, failures(ran)) == (3, set())
    assert finding(ran, CHECK, "skip")["got"] == "not checked: the first build did not come out"


def test_a_rebuilder_does_not_sign_that_it_was_reproduced(toy: ToyRelease, tmp_path: Path) -> None:
    claim(toy, "toy/2")
    signed = statement(toy, tmp_path / "statement")
    assert signed["outcome"] == "differs"
    assert signed["firstDifference"] == "manifest.json: recipe toy/1 (expected recipe toy/2)"
