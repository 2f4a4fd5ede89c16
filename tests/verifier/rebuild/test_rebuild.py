"""``release rebuild`` on a toy release: one byte changed anywhere is named, and fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.making import changed, policy
from tests.running import cvm_audit, cvm_log, served
from tests.verifier.rebuild.toy_release import (
    INPUTS,
    ToyRelease,
    failures,
    finding,
    payload,
    release,
)
from verifier.errors import ParseError
from verifier.rebuild.workspace import read_outputs, workspace
from verifier.release.newc import parse_newc

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed")


def test_a_release_is_reproduced(toy: ToyRelease) -> None:
    toy.write_entry()
    ran = toy.rebuild(*toy.known, "--artifacts", toy.artifacts)
    assert ran.code == 0, ran.out
    assert ran.last.startswith("VERIFIED; ")
    assert "all 18 follow from the rebuilt bytes" in ran.out
    assert "bwrap: no network" in ran.out


def test_from_a_bundle_of_inputs(toy: ToyRelease) -> None:
    ran = toy.rebuild("--json", inputs=("--inputs", toy.bundle()))
    assert ran.code == 4
    finding(ran, "rebuild.measurement", "pass")


def test_without_a_policy_nobody_said_which_log_and_publisher(toy: ToyRelease) -> None:
    ran = toy.rebuild("--json")
    document = json.loads(ran.out)
    assert (ran.code, document["verdict"]) == (4, "PARTIAL")
    assert document["notProven"] == ["log.inclusion", "release.signature"]
    assert document["stages"] == ["rebuild"]
    assert not failures(ran)


@pytest.mark.parametrize("name", INPUTS)
def test_an_altered_input(toy: ToyRelease, name: str) -> None:
    raw = bytearray(INPUTS[name])
    raw[17] ^= 1
    toy.input(name).write_bytes(raw)
    ran = toy.rebuild("--json")
    found = finding(ran, "rebuild.inputs")
    assert ran.code == 1
    assert found["expected"].startswith(f"{name} 1.0-1: sha256 ")
    assert found["source"] == f"{name} 1.0-1"


def test_an_altered_input_of_a_bundle(toy: ToyRelease) -> None:
    bundle = toy.bundle(lambda name, raw: raw + b"!" if name == "tool" else raw)
    ran = toy.rebuild("--json", inputs=("--inputs", bundle))
    assert ran.code == 1
    assert finding(ran, "rebuild.inputs")["source"] == "tool 1.0-1"


def test_a_missing_input_is_not_determined(toy: ToyRelease) -> None:
    toy.input("kernel").unlink()
    ran = toy.rebuild("--json")
    found = finding(ran, "rebuild.inputs", "error")
    assert ran.code == 3
    assert (found["got"], found["class"]) == ("kernel 1.0-1 is not at hand", "infrastructure")
    assert "no build began" in finding(ran, "rebuild.build", "error")["got"]
    bundle = toy.bundle(lambda name, raw: None if name == "kernel" else raw)
    assert toy.rebuild("--json", inputs=("--inputs", bundle)).code == 3


def test_a_broken_bundle(toy: ToyRelease) -> None:
    bundle = toy.bundle()
    bundle.write_bytes(bundle.read_bytes()[:700])
    ran = toy.rebuild("--json", inputs=("--inputs", bundle))
    assert ran.code == 1
    assert "a whole tar" in finding(ran, "rebuild.inputs")["got"]


def test_a_bundle_with_a_link(toy: ToyRelease) -> None:
    bundle = toy.bundle()
    with tarfile.open(bundle, "a") as tar:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    ran = toy.rebuild("--json", inputs=("--inputs", bundle))
    assert ran.code == 1
    got = finding(ran, "rebuild.inputs")["got"]
    assert got.startswith("bundle of inputs, 'link': a link, a special file")


def small_tar(change: Callable[[bytearray], None]) -> bytes:
    """A tar of one member, its header changed, with a sum that is right again."""
    raw = bytearray(tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT))
    change(raw)
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    return bytes(raw) + bytes(1024)


def negative(header: bytearray) -> None:
    header[124:136] = b"\xff" * 10 + b"\x00\x00"  # -65536, in base 256


def sparse(header: bytearray) -> None:
    header[156:157] = b"S"
    header[483:495] = b"%011o\0" % (1 << 29)  # what it would take, unpacked


def enormous(header: bytearray) -> None:
    header[124:136] = b"\x80" + b"\x7f" * 11


def enormous_extension(header: bytearray) -> None:
    enormous(header)
    header[156:157] = b"x"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (negative, "bundle of inputs, 'x': -65536 (expected 0 to 1073741824 bytes)"),
        (sparse, "bundle of inputs, 'x': a link, a special file or one with holes"),
        (enormous, "bundle of inputs, 'x': 154135671558081661678616447 ("),
        (enormous_extension, ""),
    ],
)
def test_a_bundle_with_a_header_that_lies(
    toy: ToyRelease, change: Callable[[bytearray], None], words: str
) -> None:
    path = toy.root / "inputs.tar"
    path.write_bytes(small_tar(change))
    ran = toy.rebuild("--json", inputs=("--inputs", path))
    assert ran.code == 1
    found = finding(ran, "rebuild.inputs")
    assert found["got"].startswith(words)
    assert found["class"] == "input"


def test_a_bundle_with_words_where_numbers_belong(toy: ToyRelease) -> None:
    path = toy.root / "inputs.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("x")
        member.pax_headers = {"GNU.sparse.map": "many,more", "GNU.sparse.size": "1"}
        tar.addfile(member)
    ran = toy.rebuild("--json", inputs=("--inputs", path))
    assert ran.code == 1
    assert "invalid literal" in finding(ran, "rebuild.inputs")["got"]


def test_a_lock_with_two_versions_of_an_input(toy: ToyRelease) -> None:
    lock = toy.lock_of()
    (toy.image / "inputs.lock").write_text(lock + lock[lock.index("\n[[input]]") :])
    ran = toy.rebuild("--json")
    assert ran.code == 1
    assert (
        "inputs.lock, firmware: two (expected one version)" in finding(ran, "rebuild.lock")["got"]
    )


def test_where_bwrap_does_not_work_unshare_does(
    toy: ToyRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = toy.root / "programs"
    programs.mkdir()
    for name in ("prlimit", "true", "unshare"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(programs))
    if subprocess.run(["unshare", "-r", "-n", "true"], check=False).returncode:
        pytest.skip("unshare does not work here")
    toy.behave("network")
    release(toy)
    ran = toy.rebuild("--json", "--work", toy.root / "work")
    # What a build can change is not only its own: so this is not what a verdict rests on.
    skipped = finding(ran, "rebuild.sandbox", "skip")
    assert skipped["got"].startswith("not checked: unshare, so the builds could change")
    assert "rebuild.sandbox" in json.loads(ran.out)["notProven"]
    assert not failures(ran) - {"rebuild.artifact", "rebuild.measurement"}
    built = (toy.root / "work" / "second build" / "out" / "initrd.bin").read_bytes()
    assert b"1 OSError" in built or b"1 ConnectionRefusedError" in built


def test_a_changed_source_file_is_named(toy: ToyRelease) -> None:
    init = toy.source / "pipeline" / "node" / "init.py"
    init.write_bytes(init.read_bytes().replace(b"hello", b"hullo"))
    ran = toy.rebuild("--json", "--artifacts", toy.artifacts)
    assert ran.code == 1
    assert failures(ran) == {"rebuild.source", "rebuild.artifact", "rebuild.measurement"}
    got = finding(ran, "rebuild.artifact")["got"]
    assert "first difference: init: line 4: released \"print('hello')\"" in got
    assert "rebuilt \"print('hullo')\"" in got
    assert "  ! line 4" in ran.err


def test_a_changed_mode_of_a_source_file(toy: ToyRelease) -> None:
    (toy.source / "pipeline" / "__init__.py").chmod(0o755)
    assert failures(toy.rebuild("--json")) == {"rebuild.source"}


def test_a_source_file_that_is_new(toy: ToyRelease) -> None:
    (toy.source / "verifier" / "extra.py").write_text("")
    assert failures(toy.rebuild("--json")) == {"rebuild.source"}


def test_what_does_not_count_changes_nothing(toy: ToyRelease) -> None:
    (toy.source / "README.md").write_text("words")
    cache = toy.source / "verifier" / "__pycache__"
    cache.mkdir()
    (cache / "extra.pyc").write_bytes(b"code")
    assert toy.rebuild("--json").code == 4


def test_a_link_in_the_source_is_refused(toy: ToyRelease) -> None:
    (toy.source / "verifier" / "link.py").symlink_to("/etc/passwd")
    ran = toy.rebuild()
    assert ran.code == 1
    assert "source verifier/link.py: a link or a special file (expected a file)" in ran.err


def test_a_folder_that_is_no_source_tree(toy: ToyRelease) -> None:
    ran = cvm_audit(
        *("release", "rebuild", toy.write_entry(), "--source", toy.artifacts, "--offline"),
        *("--store", toy.store, "--guest-policy", toy.root / "guest-policy.json", "--json"),
    )
    assert (ran.code, failures(ran)) == (3, set())
    got = finding(ran, "rebuild.source", "error")["got"]
    assert got == f"not at hand: {toy.artifacts}: neither is in it"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_of_the_source_that_cannot_be_read(toy: ToyRelease) -> None:
    (toy.source / "pipeline" / "node").chmod(0)
    try:
        ran = toy.rebuild("--json")
    finally:
        (toy.source / "pipeline" / "node").chmod(0o755)
    assert (ran.code, failures(ran)) == (3, set())
    assert "node: Permission denied" in finding(ran, "rebuild.source", "error")["got"]


def test_a_changed_lock_line(toy: ToyRelease) -> None:
    (toy.image / "inputs.lock").write_text(toy.lock_of(tool="1.0-2"))
    ran = toy.rebuild("--json")
    assert ran.code == 1
    assert failures(ran) == {"rebuild.source", "rebuild.lock", "rebuild.artifact"}
    # What is built tells of the lock, and of nothing else that changed.
    assert finding(ran, "rebuild.artifact")["source"] == "manifest.json"


def test_a_lock_line_that_names_another_input(toy: ToyRelease) -> None:
    lock = toy.lock_of().replace('\nsha256 = "', '\nsha256 = "0', 1)
    (toy.image / "inputs.lock").write_text(lock)
    ran = toy.rebuild("--json")
    assert ran.code == 1
    found = finding(ran, "rebuild.lock")
    assert "inputs.lock.input[0].sha256" in found["got"]
    assert found["class"] == "input"


@pytest.mark.parametrize("place", range(8))
def test_a_changed_logged_digest(toy: ToyRelease, place: int) -> None:
    toy.document = changed(toy.document, f"subject/{place}/digest/sha256", "00" * 32)
    name = toy.document["subject"][place]["name"]
    ran = toy.rebuild("--json", "--artifacts", toy.artifacts)
    assert ran.code == 1
    assert finding(ran, "rebuild.artifact")["source"] == name
    assert "sha256 " + "00" * 32 in finding(ran, "rebuild.artifact")["expected"]


def test_a_changed_logged_size(toy: ToyRelease) -> None:
    toy.document = changed(toy.document, "predicate/artifacts/1/size", 3)
    assert failures(toy.rebuild("--json")) == {"rebuild.artifact"}


def test_a_changed_logged_measurement(toy: ToyRelease) -> None:
    toy.document = changed(toy.document, "predicate/measurements/5/value", "ab" * 48)
    ran = toy.rebuild("--json")
    assert (ran.code, failures(ran)) == (1, {"rebuild.measurement"})
    found = finding(ran, "rebuild.measurement")
    assert found["expected"].endswith("ab" * 48)
    assert found["got"].endswith("; 1 of 18 rows differ")


@pytest.mark.parametrize("member", ["sourceSha256", "lockSha256"])
def test_a_changed_logged_build(toy: ToyRelease, member: str) -> None:
    toy.document = changed(toy.document, f"predicate/build/{member}", "00" * 32)
    check = {"sourceSha256": "rebuild.source", "lockSha256": "rebuild.lock"}[member]
    assert failures(toy.rebuild("--json")) == {check}


def test_a_launch_that_is_impossible(toy: ToyRelease) -> None:
    toy.document = changed(toy.document, "predicate/measurements/0/guestFeatures", "0x2")
    got = finding(toy.rebuild("--json"), "rebuild.measurement")["got"]
    assert got.startswith("no such launch; 1 of 18")


@pytest.mark.parametrize("name", ["initrd.bin", "kernel.bin", "sbom.json"])
def test_an_artifact_that_is_offered_and_is_not_the_logged_one(toy: ToyRelease, name: str) -> None:
    path = toy.artifacts / name
    raw = bytearray(path.read_bytes())
    raw[-300] ^= 1
    path.write_bytes(raw)
    ran = toy.rebuild("--json", "--artifacts", toy.artifacts)
    assert (ran.code, failures(ran)) == (1, {"rebuild.released"})
    found = finding(ran, "rebuild.released")
    assert found["source"] == name
    assert "first difference: " in found["got"]


def test_a_missing_artifact_role_of_the_release(toy: ToyRelease) -> None:
    for members in (toy.document["subject"], toy.document["predicate"]["artifacts"]):
        members.pop(1)
    found = finding(toy.rebuild("--json"), "rebuild.artifact")
    assert found["expected"] == "an artifact of the role kernel in the release"


def test_an_artifact_that_no_build_makes_is_named(toy: ToyRelease) -> None:
    extra = {"name": "vmm.txt", "role": "vmm-command", "size": 1, "locations": []}
    toy.document["predicate"]["artifacts"].append(extra)
    toy.document["subject"].append({"name": "vmm.txt", "digest": {"sha256": "00" * 32}})
    toy.write_entry()
    ran = toy.rebuild("--json", *toy.known)
    assert ran.code == 4
    assert json.loads(ran.out)["notProven"] == ["rebuild.coverage"]


def test_a_build_that_takes_from_its_surroundings(toy: ToyRelease) -> None:
    toy.behave("leak")
    release(toy)
    ran = toy.rebuild("--json")
    assert ran.code == 1
    assert {"rebuild.reproducible", "rebuild.artifact"} <= failures(ran)
    got = finding(ran, "rebuild.reproducible")["got"]
    assert got.startswith("initrd.bin: first difference: leak.txt: line 1: first build ")
    assert "/first/source" in got
    assert "/second build/source" in got
    for varied in ("Kiritimati", "second.invalid", "63, 1000"):
        assert varied in got, varied


def test_a_build_has_no_network_and_cannot_write_the_system(toy: ToyRelease) -> None:
    toy.behave("network", "system")
    ran = toy.rebuild("--json", "--work", toy.root / "work")
    assert "rebuild.build" not in failures(ran)
    built = (toy.root / "work" / "first" / "out" / "initrd.bin").read_bytes()
    assert b"1 ConnectionRefusedError" in built
    assert b"written.txt" not in built
    assert not Path("/usr/written-by-a-build").exists()


def test_a_build_sees_nothing_of_the_machine_or_of_the_other_one(toy: ToyRelease) -> None:
    toy.behave("look")
    ran = toy.rebuild("--json", "--work", toy.root / "work")
    assert "rebuild.build" not in failures(ran)
    seen = []
    for folder in ("first", "second build"):
        built = parse_newc((toy.root / "work" / folder / "out" / "initrd.bin").read_bytes())
        (raw,) = (entry.content for entry in built if entry.name == "seen.json")
        seen.append(json.loads(raw))
    interpreter = {Path(prefix).parts[1] for prefix in (sys.prefix, sys.base_prefix)}
    system = {"bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "tmp", "usr"}
    for each in seen:
        assert each["left"] == each["packages"] == []
        assert each["processes"] <= 3
        assert set(each["etc"]) <= {"alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d"}
        own = {name for name in each["root"] if name.endswith(("first", "second build"))}
        assert len(own) == 2
        assert set(each["root"]) <= system | interpreter | own
        assert set(each["environment"]) <= {
            *("FAKETIME", "HOME", "LC_ALL", "LD_PRELOAD", "PATH", "PWD", "TZ"),
            *("PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONNOUSERSITE", "LC_CTYPE"),
            *("FAKETIME_SHARED", "FAKETIME_DID_REEXEC"),
        }


def test_a_build_that_fails(toy: ToyRelease) -> None:
    toy.behave("fail")
    ran = toy.rebuild("--json")
    assert ran.code == 1
    got = finding(ran, "rebuild.build")["got"]
    assert got == "exit code 1: 'toy builder: this source does not build'"


def test_a_build_that_hangs_is_stopped(toy: ToyRelease) -> None:
    toy.behave("hang")
    toy.state()
    ran = toy.rebuild("--json", "--timeout", 1)
    found = finding(ran, "rebuild.build", "error")
    assert ran.code == 3
    assert (found["got"], found["class"]) == ("not done after 1 s", "infrastructure")


def test_an_exit_code_that_no_signal_has_is_the_builds_own(toy: ToyRelease) -> None:
    toy.behave("code")
    toy.state()
    ran = toy.rebuild("--json")
    assert (ran.code, failures(ran)) == (1, {"rebuild.build"})
    assert finding(ran, "rebuild.build")["got"] == "exit code 200"


def test_a_build_that_is_killed_is_not_determined(toy: ToyRelease) -> None:
    toy.behave("killed")
    toy.state()
    ran = toy.rebuild("--json")
    found = finding(ran, "rebuild.build", "error")
    assert (ran.code, failures(ran)) == (3, set())
    assert (found["got"], found["class"]) == ("ended by SIGKILL", "infrastructure")


def test_a_source_without_its_builder_is_not_built_by_that_of_this_machine(
    toy: ToyRelease,
) -> None:
    for folder in (toy.source / "pipeline", toy.image):
        (folder / "__init__.py").unlink()
    (toy.image / "__main__.py").unlink()
    toy.state()
    ran = toy.rebuild("--json")
    assert ran.code == 1
    assert "No module named pipeline.image" in finding(ran, "rebuild.build")["got"]


def test_a_name_of_an_output_that_is_none(toy: ToyRelease) -> None:
    toy.behave("name")
    toy.state()
    ran = toy.rebuild("--json")
    assert ran.code == 1
    got = finding(ran, "rebuild.build")["got"]
    assert got == r"output: '\udcff' (expected a plain file name)"


def test_a_link_among_the_outputs_is_refused(toy: ToyRelease) -> None:
    toy.behave("link")
    ran = toy.rebuild("--json")
    assert ran.code == 1
    assert finding(ran, "rebuild.build")["got"].startswith("output extra: a link")


@pytest.mark.parametrize("behaviour", ["astray", "nothing"])
def test_outputs_that_lie_elsewhere_or_nowhere(toy: ToyRelease, behaviour: str) -> None:
    toy.behave(behaviour)
    ran = toy.rebuild("--json")
    assert ran.code == 1
    got = finding(ran, "rebuild.build")["got"]
    assert got == "outputs: a link, a file or nothing (expected a folder)"


def test_under_a_policy_that_asks_for_evidence_the_rebuild_is_a_part(toy: ToyRelease) -> None:
    toy.write_entry()
    whole = toy.root / "whole.toml"
    rules = policy(toy.log, require=("evidence", "log", "release"), platform="hardware")
    whole.write_bytes(rules)
    known = [whole if option == toy.root / "policy.toml" else option for option in toy.known]
    ran = toy.rebuild("--json", *known)
    assert ran.code == 4
    assert "snp.report.signature" in json.loads(ran.out)["notProven"]


def test_a_statement_is_not_written_over(toy: ToyRelease) -> None:
    key = toy.root / "rebuilder.key"
    cvm_audit("release", "keygen", "--name", "rebuilder.invalid/one", "-o", key)
    ran = toy.rebuild("--key", key, "--statement", toy.source)
    assert (ran.code, "it exists already" in ran.err) == (2, True)


def test_without_a_sandbox_the_verdict_says_so(toy: ToyRelease) -> None:
    toy.write_entry()
    ran = toy.rebuild("--json", *toy.known, "--no-sandbox")
    assert ran.code == 4
    assert json.loads(ran.out)["notProven"] == ["rebuild.sandbox"]
    assert "--no-sandbox" in finding(ran, "rebuild.sandbox", "skip")["got"]
    assert " --no-sandbox " in toy.rebuild("--no-sandbox").last


def test_where_no_sandbox_works_nothing_is_built(
    toy: ToyRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(toy.root))
    ran = toy.rebuild()
    assert ran.code == 2
    assert "sandbox: neither works here" in ran.err
    assert "--no-sandbox" in ran.err


def test_a_kept_folder_resumes(toy: ToyRelease) -> None:
    work = toy.root / "work"
    assert toy.rebuild("--json", "--work", work).code == 4
    log = work / "first.log"
    log.unlink()
    assert toy.rebuild("--json", "--work", work).code == 4
    assert not log.exists()  # the build was not made again
    made = finding(toy.rebuild("--json", "--work", work), "rebuild.build", "pass")["got"]
    assert made.endswith(", made by an earlier run")
    (work / "first" / "out" / "kernel.bin").write_bytes(b"another")
    assert toy.rebuild("--json", "--work", work).code == 4
    assert log.exists()


def test_the_kept_folder_tells_all_differences_of_the_last_run(toy: ToyRelease) -> None:
    work = toy.root / "work"
    init = toy.source / "pipeline" / "node" / "init.py"
    honest = init.read_bytes()
    init.write_bytes(honest.replace(b"hello", b"hullo"))
    ran = toy.rebuild("--work", work, "--artifacts", toy.artifacts)
    page = (work / "differences.txt").read_text()
    assert page.startswith("initrd.bin: released | rebuilt\n  init: line 4\n")
    assert "\nmanifest.json: released | rebuilt\n" in page
    assert f"all differences: {work / 'differences.txt'}" in ran.err
    sides = [(work / "compared" / side / "initrd.bin").read_bytes() for side in ("left", "right")]
    assert sides[0] == (toy.artifacts / "initrd.bin").read_bytes() != sides[1]
    if shutil.which("diffoscope") is not None:
        assert "hullo" in (work / "diffoscope.txt").read_text()
    init.write_bytes(honest)
    assert toy.rebuild("--work", work, "--artifacts", toy.artifacts).code == 4
    left = {path.name for path in work.iterdir()}
    assert not left & {"differences.txt", "diffoscope.txt", "compared"}


def test_a_folder_of_something_else_is_left_alone(toy: ToyRelease) -> None:
    ran = toy.rebuild("--work", toy.source)
    assert ran.code == 2
    assert "a folder of something else" in ran.err
    assert (toy.source / "pipeline").is_dir()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o703])
def test_a_folder_that_others_can_write_to_is_refused(toy: ToyRelease, mode: int) -> None:
    work = toy.root / "work"
    assert toy.rebuild("--work", work).code == 4
    assert work.stat().st_mode & 0o777 == 0o700
    work.chmod(mode)
    ran = toy.rebuild("--work", work)
    assert ran.code == 2
    assert f"mode {mode:04o} (expected a folder that nobody else can write to)" in ran.err


def test_a_folder_that_another_run_works_in_is_refused(toy: ToyRelease) -> None:
    work = toy.root / "work"
    with workspace(work):
        ran = toy.rebuild("--work", work)
    assert ran.code == 2
    assert "one does (expected a folder that no other rebuild works in)" in ran.err
    assert toy.rebuild("--work", work).code == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("left", ["kernel.bin", "."])
def test_an_output_that_its_mode_forbids_to_read(tmp_path: Path, left: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kernel.bin").write_bytes(b"")
    (tmp_path / "out" / left).chmod(0)
    with pytest.raises(ParseError) as caught:
        read_outputs(tmp_path / "out")
    (tmp_path / "out").chmod(0o700)
    assert (caught.value.expected, caught.value.got) == (
        "a file that can be read",
        "its mode forbids to read it",
    )


def test_what_a_build_has_locked_is_removed_all_the_same(
    toy: ToyRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    toy.behave("locked")
    toy.state()
    assert "rebuild.build" not in failures(toy.rebuild("--json"))
    assert not list(temporary.iterdir())


def test_nothing_is_left_behind(
    toy: ToyRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    toy.behave("fail")
    assert toy.rebuild().code == 1
    assert not list(temporary.iterdir())


def test_an_entry_that_is_no_release(toy: ToyRelease) -> None:
    path = toy.write_entry()
    path.write_bytes(path.read_bytes() + b" ")
    given = ("--source", toy.source, "--store", toy.store)
    ran = cvm_audit("release", "rebuild", path, *given, "--json")
    assert ran.code == 1
    assert failures(ran) == {"release.format"}
    assert "rebuild.artifact" in json.loads(ran.out)["skipped"]


def test_a_release_that_nobody_named_signed(toy: ToyRelease) -> None:
    toy.write_entry()
    rules = toy.root / "policy.toml"
    rules.write_text(rules.read_text().replace('role = "summariser"', 'role = "guard"'))
    ran = toy.rebuild("--json", *toy.known)
    # write_entry wrote the policy anew: judge under the other role explicitly.
    assert ran.code == 0
    other = toy.root / "other.toml"
    other.write_text(rules.read_text().replace('role = "summariser"', 'role = "guard"'))
    known = [other if option == rules else option for option in toy.known]
    assert failures(toy.rebuild("--json", *known)) == {"release.role"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--inputs", "x"), "--inputs and --store exclude each other"),
        (("--proof", "entry"), "--proof needs --policy"),
        (("--policy", "entry"), "--policy needs --proof, or a folder that has it"),
        (("--statement", "new"), "--statement needs --key"),
    ],
)
def test_options_that_contradict(toy: ToyRelease, options: tuple[str, str], words: str) -> None:
    (toy.root / "x").write_bytes(b"")
    name, value = options
    existing = toy.root / ("entry.json" if value == "entry" else value)
    toy.write_entry()
    ran = toy.rebuild(name, existing)
    assert (ran.code, words in ran.err) == (2, True), ran.err


class TestStatement:
    @pytest.fixture
    def key(self, toy: ToyRelease) -> Path:
        path = toy.root / "rebuilder.key"
        cvm_audit("release", "keygen", "--name", "rebuilder.invalid/one", "-o", path)
        return path

    def made(self, toy: ToyRelease, key: Path, *options: object) -> dict[str, object]:
        folder = toy.root / "statement"
        toy.rebuild("--key", key, "--statement", folder, *options)
        document = payload(folder)
        from hashlib import sha256

        entry = (toy.root / "entry.json").read_bytes()
        assert document["subject"][0]["digest"]["sha256"] == sha256(entry).hexdigest()
        predicate: dict[str, object] = document["predicate"]
        assert predicate["rebuilder"] == "rebuilder.invalid/one"
        return predicate

    def test_of_a_success(self, toy: ToyRelease, key: Path) -> None:
        predicate = self.made(toy, key)
        assert predicate["outcome"] == "reproduced"
        assert "firstDifference" not in predicate
        assert predicate["measurements"] == [
            row
            for vmm in ("ec2", "qemu")
            for row in toy.document["predicate"]["measurements"]
            if row["vmm"] == vmm
        ]

    def test_of_a_difference(self, toy: ToyRelease, key: Path) -> None:
        init = toy.source / "pipeline" / "node" / "init.py"
        init.write_bytes(init.read_bytes().replace(b"hello", b"hullo"))
        predicate = self.made(toy, key, "--artifacts", toy.artifacts)
        assert predicate["outcome"] == "differs"
        assert str(predicate["firstDifference"]).startswith("source tree: sha256 ")
        assert predicate["measurements"]

    def test_of_a_failure(self, toy: ToyRelease, key: Path) -> None:
        toy.behave("fail")
        toy.state()
        predicate = self.made(toy, key)
        assert (predicate["outcome"], predicate["measurements"]) == ("failed", [])
        assert "this source does not build" in str(predicate["firstDifference"])

    def test_of_a_missing_input(self, toy: ToyRelease, key: Path) -> None:
        toy.input("tool").unlink()
        predicate = self.made(toy, key)
        assert predicate["outcome"] == "failed"
        assert str(predicate["firstDifference"]).startswith("not determined: tool 1.0-1: ")

    def test_a_log_that_does_not_answer_is_told(self, toy: ToyRelease, key: Path) -> None:
        folder = toy.root / "statement"
        vkey = str(toy.log.key)
        publishing = ("--publish", "http://127.0.0.1:9", "--vkey", vkey)
        ran = toy.rebuild(
            "--key", key, "--statement", folder, *publishing, inputs=("--store", toy.store)
        )
        assert ran.code == 4
        assert "the statement is not published" in ran.err
        assert sorted(path.name for path in folder.iterdir()) == ["entry.json"]

    def test_it_is_published(self, toy: ToyRelease, key: Path) -> None:
        log, folder = toy.root / "log", toy.root / "statement"
        vkey = cvm_log("init", log, "--origin", "log.test/rebuilds").out.strip()
        with served(log) as url:
            publishing = ("--publish", url, "--vkey", vkey)
            ran = toy.rebuild(
                "--key", key, "--statement", folder, *publishing, inputs=("--store", toy.store)
            )
        assert ran.code == 4
        assert sorted(path.name for path in folder.iterdir()) == ["entry.json", "entry.tlog-proof"]
        shown = cvm_audit("release", "show", folder / "entry.json").out
        assert "outcome                   reproduced" in shown

    def test_a_failure_is_published_and_fetched_by_others(self, toy: ToyRelease, key: Path) -> None:
        log, folder, copy = toy.root / "log", toy.root / "statement", toy.root / "copy"
        vkey = cvm_log("init", log, "--origin", "log.test/rebuilds").out.strip()
        toy.behave("fail")
        toy.state()
        with served(log) as url:
            publishing = ("--publish", url, "--vkey", vkey, "--key", key, "--statement", folder)
            ran = toy.rebuild(*publishing, inputs=("--store", toy.store))
            fetching = ("--index", 0, "--log", url, "--vkey", vkey, "-o", copy)
            fetched = cvm_audit("release", "fetch", *fetching)
        assert (ran.code, fetched.code) == (1, 0), ran.err + fetched.err
        entry = (copy / "entry.json").read_bytes()
        assert entry == (folder / "entry.json").read_bytes()
        predicate = payload(copy)["predicate"]
        assert predicate["outcome"] == "failed"
        assert "this source does not build" in predicate["firstDifference"]
        fsck = cvm_log("fsck", log, "--vkey", vkey)
        assert fsck.code == 0

    def test_a_key_of_a_log_that_is_none_is_refused_before_anything_is_built(
        self, toy: ToyRelease, key: Path
    ) -> None:
        folder = toy.root / "statement"
        publishing = ("--publish", "http://127.0.0.1:9", "--vkey", "log.test+00000000")
        given = ("--key", key, "--statement", folder, *publishing)
        ran = toy.rebuild(*given, inputs=("--store", toy.store))
        assert ran.code == 2
        assert "--vkey: vkey" in ran.err
        assert "build: begins" not in ran.err

    def test_offline_nothing_is_published(self, toy: ToyRelease, key: Path) -> None:
        folder = toy.root / "statement"
        publishing = ("--publish", "http://127.0.0.1:9", "--vkey", str(toy.log.key))
        ran = toy.rebuild("--key", key, "--statement", folder, *publishing)
        assert ran.code == 2
        assert "--publish needs a network, and --offline forbids it" in ran.err
        assert not folder.exists()
