"""The corners of judging a rebuild that no real builder comes to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.archives import FILE, archive, record
from tests.making import NOW, Log, entry, policy, statement
from verifier.appraisal.appraise_identity import NO_IDENTITY
from verifier.appraisal.comparison.difference import bytes_difference
from verifier.appraisal.findings import Finding, FindingClass, Status
from verifier.appraisal.image.scanned import ScannedImage, text_of
from verifier.appraisal.image.tree_rules import programs
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.policy import parse_policy
from verifier.appraisal.rebuild.appraise_rebuild import LoggedEntry, appraise_rebuild
from verifier.appraisal.rebuild.artifact_checks import appraise_artifacts
from verifier.appraisal.rebuild.build_checks import appraise_builds
from verifier.appraisal.rebuild.measurement_checks import appraise_measurements
from verifier.appraisal.rebuild.rebuilt import (
    BUILT_FILES,
    Build,
    BuildEnd,
    InputState,
    LockedInput,
    Rebuilt,
)
from verifier.release import cvm_release
from verifier.release.newc import parse_newc

OUTPUTS = {name: f"the {role}".encode() for role, name in BUILT_FILES.items()}
DIGEST = b"\x01" * 32


def build(**outputs: bytes | None) -> Build:
    names = {name.replace("__", "-").replace("_", "."): raw for name, raw in outputs.items()}
    made = {name: raw for name, raw in (OUTPUTS | names).items() if raw is not None}
    return Build(environment="plain", end=BuildEnd.DONE, words="", outputs=made)


def rebuilt(*builds: Build, **changes: Any) -> Rebuilt:
    whole = Rebuilt(
        source_sha256=DIGEST,
        lock_sha256=DIGEST,
        lock_words="",
        inputs=(),
        inputs_words="",
        fetch_words="",
        sandbox="bwrap",
        apart=True,
        builds=builds or (build(), build()),
        obstacle="",
        offered={},
    )
    return replace(whole, **changes)


def artifact(role: str, raw: bytes | None = None) -> cvm_release.Artifact:
    content = OUTPUTS[BUILT_FILES[role]] if raw is None else raw
    digest = hashlib.sha256(content).digest()
    return cvm_release.Artifact(f"{role}/x", role, len(content), digest, ())


WHOLE = tuple(artifact(role) for role in BUILT_FILES)


def failures(ledger: Ledger) -> list[Finding]:
    return [finding for finding in ledger.findings if finding.status is Status.FAIL]


def test_a_file_that_one_of_the_builds_did_not_make() -> None:
    ledger = Ledger()
    appraise_artifacts(ledger, WHOLE, rebuilt(build(), build(kernel_bin=None)))
    (found,) = failures(ledger)
    assert found.check == "rebuild.reproducible"
    assert found.got == "kernel.bin: only one of the two builds made it"


def test_documents_of_one_meaning_in_two_spellings() -> None:
    builds = build(sbom_json=b'{"a": 1}'), build(sbom_json=b'{"a":1}')
    ledger = Ledger()
    bill = artifact("sbom", b'{"a": 1}')
    listed = tuple(bill if one.role == "sbom" else one for one in WHOLE)
    (told,) = appraise_artifacts(ledger, listed, rebuilt(*builds))
    assert told.differences[0].place == "byte 5 (0x5)"
    assert [finding.check for finding in failures(ledger)] == ["rebuild.reproducible"]


def test_a_release_that_states_no_kernel() -> None:
    ledger = Ledger()
    without = tuple(one for one in WHOLE if one.role != "kernel")
    appraise_artifacts(ledger, without, rebuilt())
    (found,) = failures(ledger)
    assert (found.check, found.cls, found.source) == (
        "rebuild.artifact",
        FindingClass.INPUT,
        "kernel",
    )


def test_an_artifact_that_no_build_made() -> None:
    ledger = Ledger()
    both = build(kernel_bin=None)
    appraise_artifacts(ledger, WHOLE, rebuilt(both, both))
    (found,) = failures(ledger)
    assert (found.check, found.got) == ("rebuild.artifact", "the build made no kernel.bin")


def test_what_was_built_and_cannot_be_measured() -> None:
    ledger = Ledger()
    assert appraise_measurements(ledger, (), rebuilt()) == ()
    (found,) = failures(ledger)
    assert found.check == "rebuild.measurement"
    assert found.got.startswith("what was built cannot be measured: ")


LOGGED = cvm_release.Build("toy/1", DIGEST, DIGEST)


def test_one_build_is_no_rebuild() -> None:
    with pytest.raises(ValueError, match="two builds, or none"):
        appraise_builds(Ledger(), LOGGED, rebuilt(build()), sandboxed=True)


def test_builds_without_the_sandbox_that_was_asked_for() -> None:
    with pytest.raises(ValueError, match="otherwise than asked"):
        appraise_builds(Ledger(), LOGGED, rebuilt(sandbox=""), sandboxed=True)


def test_builds_that_could_not_begin_ran_in_no_sandbox() -> None:
    ledger = Ledger()
    nothing = replace(rebuilt(), builds=(), sandbox="", obstacle="no builder")
    appraise_builds(ledger, LOGGED, nothing, sandboxed=True)
    found = next(f for f in ledger.findings if f.check == "rebuild.sandbox")
    assert (found.status, found.got) == (Status.SKIP, "not checked: no builder")


MANIFEST = {
    "schema": "cvm-audit/image-manifest/v1",
    "recipe": "toy/1",
    "sourceSha256": "00" * 32,
    "lockSha256": "00" * 32,
    "artifacts": [{"name": "x", "role": "kernel", "size": 1, "sha256": "00" * 32}],
}


def listed(**changes: object) -> Build:
    return build(manifest_json=json.dumps(MANIFEST | changes).encode())


def recipe_of(*builds: Build) -> Finding:
    ledger = Ledger()
    appraise_builds(ledger, LOGGED, rebuilt(*builds), sandboxed=True)
    (found,) = (f for f in ledger.findings if f.check == "rebuild.recipe")
    return found


def test_the_recipe_is_that_of_the_first_build() -> None:
    assert recipe_of(listed(), listed(recipe="toy/2")).status is Status.PASS
    found = recipe_of(listed(recipe="toy/2"), listed())
    assert (found.status, found.cls) == (Status.FAIL, FindingClass.SECURITY)
    assert (found.expected, found.got) == ("recipe toy/1", "recipe toy/2")


@pytest.mark.parametrize(
    ("first", "got"),
    [
        (build(manifest_json=None), "the build made no manifest.json"),
        (build(), "it cannot be read: image manifest: "),
        (listed(schema="toy"), "it cannot be read: image manifest.schema: "),
        (listed(recipe=1), "it cannot be read: image manifest.recipe: "),
        (listed(recipe=""), "it cannot be read: image manifest.recipe: "),
    ],
)
def test_a_build_that_names_no_recipe(first: Build, got: str) -> None:
    found = recipe_of(first, listed())
    assert (found.status, found.cls) == (Status.FAIL, FindingClass.INPUT)
    assert found.expected == "recipe toy/1"
    assert found.got.startswith(got)


@pytest.mark.parametrize("end", [BuildEnd.FAILED, BuildEnd.STOPPED])
def test_a_first_build_that_did_not_come_out_names_no_recipe(end: BuildEnd) -> None:
    found = recipe_of(replace(listed(recipe="toy/2"), end=end), listed())
    assert (found.status, found.source) == (Status.SKIP, "builds")
    assert found.got == "not checked: the first build did not come out"


def test_several_inputs_that_are_not_at_hand() -> None:
    ledger = Ledger()
    gone = tuple(
        LockedInput(name=name, sha256=DIGEST, state=InputState.MISSING, found=b"")
        for name in ("a 1", "b 2")
    )
    appraise_builds(ledger, LOGGED, rebuilt(inputs=gone), sandboxed=True)
    found = next(f for f in ledger.findings if f.check == "rebuild.inputs")
    assert found.status is not Status.PASS
    assert "1 more" in found.got


def test_a_policy_and_a_proof_belong_together() -> None:
    raw = entry(statement())
    rules = parse_policy(policy(Log((raw,)), require=("log", "release")))
    logged = LoggedEntry(entry=raw, proof=None, policy=rules, identity=NO_IDENTITY)
    with pytest.raises(ValueError, match="belong together"):
        appraise_rebuild(logged, rebuilt(), sandboxed=True, now=NOW)


def test_equal_bytes_and_an_empty_file() -> None:
    assert bytes_difference(b"a", b"a") is None
    found = bytes_difference(b"", b"x")
    assert found is not None
    assert (found.place, found.expected) == ("byte 0 (0x0)", "the end, of 0 bytes")


def test_what_is_no_text() -> None:
    assert text_of(b"\xff") is None
    assert text_of(b"a\0b") is None
    assert text_of(b"a") == "a"


def test_an_init_that_needs_no_interpreter() -> None:
    elf = b"\x7fELF" + bytes(60)
    raw = archive(record("init", elf, FILE | 0o111))
    assert list(programs(ScannedImage.of(parse_newc(raw)))) == []
