"""The path of a drive: how it starts and ends, what of it is judged when it does not work."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.evil.world import World
from tests.running import Ran, cvm_audit
from tests.verifier.drive.deployed import policy_text
from tests.verifier.drive.labs import Walk, cvms_of, plan_of, walking, world_in
from tests.verifier.drive.test_drive_conclusion import plan
from tests.verifier.drive.test_drive_machine import ARTIFACTS
from verifier.appraisal.findings import FindingClass, Status
from verifier.appraisal.policy import parse_policy
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.drive.corrupted_proof import corrupted_proof
from verifier.drive.cvms import Cvms
from verifier.drive.lab import HOPS
from verifier.drive.path import ACCOUNTS, running_path
from verifier.drive.tap import Direction
from verifier.drive.through import Drive, drive_booted_path, drive_path
from verifier.errors import FetchError, PolicyError
from verifier.library import appraise_bundle

ROLES = {"gateway", "issuer", "keycdn", "relay"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world_in(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with walking(tmp_path_factory.mktemp("walk")) as walk:
        yield walk


@pytest.fixture
def nobody() -> Cvms:
    """CVMs where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = unused.getsockname()[:2]

    def restart(_: int) -> Any:
        raise AssertionError("nothing is there to be started again")

    return Cvms(addresses=(address, address), restart=restart, consoles=tuple)


def runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:1]
    return False


def with_status(verdict: Verdict, status: Status) -> dict[str, tuple[str, str]]:
    return {
        each.check: (each.expected, each.got) for each in verdict.findings if each.status is status
    }


def every_file(folder: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_a_path_runs_behind_taps_and_leaves_nothing(world: World, nobody: Cvms) -> None:
    before = every_file(world.keys.folder)
    with running_path(world.keys.folder, world.logged, cvms=nobody.addresses, replaced={}) as path:
        assert {role.name for role in path.roles} == ROLES
        assert all(runs(role.pid) and role.log.exists() for role in path.roles)
        assert tuple(path.taps) == HOPS
        told = {(url.host, url.port) for url in (path.deployment.relay, path.deployment.issuer)}
        assert told == {path.taps[hop].address for hop in ("client-relay", "client-issuer")}
        assert len(set(path.bearers)) == ACCOUNTS == 2
        assert world.keys.bearer not in path.bearers
        keys = path.secrets_of_roles()
        assert b"PRIVATE KEY" in keys["issuer"]
        assert "secret" in json.loads(keys["gateway"])
        place = path.keys.parent
        assert place.stat().st_mode & 0o777 == 0o700
    assert not any(runs(role.pid) for role in path.roles)
    assert not place.exists()
    assert every_file(world.keys.folder) == before


def test_an_error_inside_ends_the_path(world: World, nobody: Cvms) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        running_path(world.keys.folder, world.logged, cvms=nobody.addresses, replaced={}) as path,
    ):
        raise ZeroDivisionError
    assert not any(runs(role.pid) for role in path.roles)


def test_a_role_that_does_not_start_is_named(world: World, nobody: Cvms) -> None:
    replaced = {"relay": "tests.evil.nobody_wrote_this"}
    with (
        pytest.raises(FetchError) as caught,
        running_path(world.keys.folder, world.logged, cvms=nobody.addresses, replaced=replaced),
    ):
        pass
    assert (caught.value.what, caught.value.expected) == (
        "pipeline.up",
        "every role of the path to start",
    )
    assert "nobody_wrote_this" in caught.value.got


def test_keys_that_are_not_there_are_named(tmp_path: Path, world: World, nobody: Cvms) -> None:
    for keys, expected in (
        (tmp_path / "nothing", "a folder of pipeline.keys init"),
        (tmp_path, "the secret of an account"),  # an empty folder
    ):
        with (
            pytest.raises(FetchError) as caught,
            running_path(keys, world.logged, cvms=nobody.addresses, replaced={}),
        ):
            pass
        assert caught.value.expected == expected


def test_a_client_reaches_a_cvm_from_its_own_address(walk: Walk) -> None:
    before = {hop: len(tap.recordings()) for hop, tap in walk.lab.taps.items()}
    with walk.lab.new_client(source="127.0.0.5", account=1) as client:
        assert client.connect().outcome is Outcome.VERIFIED
    new = {hop: tap.recordings()[before[hop] :] for hop, tap in walk.lab.taps.items()}
    for hop in ("client-relay", "client-issuer", "client-keycdn"):
        assert {each.peer[0] for each in new[hop]} == {"127.0.0.5"}, hop
    for hop in ("relay-gateway", "gateway-cvm-0", "gateway-cvm-1"):
        assert {each.peer[0] for each in new[hop]} <= {"127.0.0.1"}, hop
    reached = [hop for hop in ("gateway-cvm-0", "gateway-cvm-1") if new[hop]]
    assert len(reached) == 1
    for bearer in walk.running.bearers:
        assert all(
            bearer.encode() not in each.content(Direction.THERE) for each in new["client-relay"]
        )


def test_a_restarted_cvm_is_behind_the_same_tap(walk: Walk) -> None:
    assert walk.lab.restart_cvm is not None
    for number in (0, 1):
        walk.lab.restart_cvm(number)
    for _ in range(4):
        with walk.lab.new_client() as client:
            assert client.connect().outcome is Outcome.VERIFIED


def test_a_policy_without_keys_drives_no_path(world: World, nobody: Cvms) -> None:
    said: list[str] = []
    plan = plan_of(world, policy=parse_policy(policy_text()))
    with pytest.raises(PolicyError) as caught:
        drive_path(plan, cvms=nobody, say=said.append)
    assert caught.value.got == "evidence, log, release"
    assert 'require = ["keys", "log", …]' in caught.value.expected
    assert said == []


def test_a_path_that_does_not_start_determines_nothing(world: World, nobody: Cvms) -> None:
    said: list[str] = []
    replaced = {"issuer": "tests.evil.nobody_wrote_this"}
    drive = drive_path(plan_of(world), cvms=nobody, replaced=replaced, say=said.append)
    assert drive.verdict.outcome is Outcome.NOT_DETERMINED
    (found,) = [each for each in drive.verdict.findings if each.status is Status.ERROR]
    assert (found.check, found.cls) == ("drive.session", FindingClass.INFRASTRUCTURE)
    assert drive.bundle == {}
    skipped = with_status(drive.verdict, Status.SKIP)
    assert skipped["drive.path.answer"][1] == "not checked: no evidence came"
    assert skipped["drive.path.feature_off"][1] == "not checked: the drive ended before"
    assert said == ["path: key CDN, issuer, gateway and relay are starting"]


def test_cvms_that_do_not_answer_determine_nothing(world: World, nobody: Cvms) -> None:
    drive = drive_path(plan_of(world), cvms=nobody, say=lambda _: None)
    assert drive.verdict.outcome is Outcome.NOT_DETERMINED
    errors = with_status(drive.verdict, Status.ERROR)
    assert list(errors) == ["drive.session"]
    assert errors["drive.session"][1] == "connection: it was closed"
    passed = with_status(drive.verdict, Status.PASS)
    assert {"drive.path.feature_off", "drive.path.key_consistency"} <= set(passed)


def test_keys_that_the_log_does_not_have_are_the_failure(
    world: World, nobody: Cvms, tmp_path: Path
) -> None:
    folders = []
    for folder in world.logged:
        copy = tmp_path / folder.name
        shutil.copytree(folder, copy)
        proof = (copy / "entry.tlog-proof").read_bytes()
        (copy / "entry.tlog-proof").write_bytes(corrupted_proof(proof))
        folders.append(copy)
    plan = plan_of(world, logged=tuple(folders))
    drive = drive_path(plan, cvms=nobody, say=lambda _: None)
    assert drive.verdict.outcome is Outcome.FAILED
    assert set(with_status(drive.verdict, Status.FAIL)) == {
        "log.checkpoint.signature",
        "drive.path.key_consistency",
    }
    skipped = with_status(drive.verdict, Status.SKIP)
    assert skipped["snp.report.signature"][1].endswith("so that no CVM was reached")
    assert drive.bundle == {}


@pytest.mark.slow
def test_a_whole_drive_leaves_a_bundle_that_ties_everything_together(
    world: World, tmp_path: Path
) -> None:
    said: list[str] = []
    plan = plan_of(world)
    with cvms_of(world, tmp_path) as cvms:
        drive = drive_path(plan, cvms=cvms, say=said.append)
    assert with_status(drive.verdict, Status.FAIL) == {}
    assert with_status(drive.verdict, Status.ERROR) == {}
    assert drive.verdict.outcome is Outcome.PARTIAL
    assert {each for each in drive.verdict.not_proven if "path" in each} == set()
    assert "evidence, through the path: VERIFIED" in said
    roles = {each["role"] for each in json.loads(drive.bundle["bundle.json"])["members"]}
    assert {"drive-record", "key-document", "nonce", "release-entry", "release-proof"} <= roles
    again = appraise_bundle(
        drive.bundle, policy=plan.policy, roots=plan.roots, now=plan.now, nonce=None
    )
    assert again.outcome is Outcome.VERIFIED  # what was driven is not in question, only seen
    (record,) = [each for each in again.findings if each.check == "drive.record"]
    assert "drive.path.forward_secrecy" in record.got


# What somebody else runs, by the command line.


def drive_elsewhere(walk: Walk, folder: Path, *more: object, accounts: str | None = None) -> Ran:
    world = walk.world
    (folder / "release").mkdir()
    (folder / "release" / "entry.json").write_bytes(world.entry)
    (folder / "trust").mkdir()
    shutil.copy(world.folder / "platform" / "root.json", folder / "trust")
    (folder / "policy.toml").write_bytes(world.policy)
    lines = "\n".join(walk.running.bearers) + "\n" if accounts is None else accounts
    (folder / "accounts").write_text(lines)
    return cvm_audit(
        *("drive", "--release", folder / "release", "--policy", folder / "policy.toml"),
        *("--deployment", walk.file, "--accounts", folder / "accounts"),
        *("--trust-root", folder / "trust", *more),
    )


def test_a_deployment_of_somebody_else_is_driven_as_far_as_it_can_be(
    walk: Walk, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    ran = drive_elsewhere(walk, tmp_path, "--format", "json", "--bundle", bundle)
    assert ran.code == 4, ran.err
    read = json.loads(ran.out)
    assert (read["verdict"], read["level"]) == ("PARTIAL", None)
    status = {each["check"]: each["status"] for each in read["findings"]}
    assert status["drive.session"] == status["drive.release"] == "pass"
    assert status["drive.path.answer"] == status["drive.path.key_consistency"] == "pass"
    assert "drive.path.canary" in read["notProven"]
    assert "drive.boot" in read["notProven"]
    told = ran.err.splitlines()
    assert "cvm-audit: evidence, through the path: VERIFIED" in told
    assert "cvm-audit: probe canary: it needs to watch the path, which runs elsewhere" in told
    again = cvm_audit(
        *("verify", bundle, "--policy", tmp_path / "policy.toml"),
        *("--trust-root", tmp_path / "trust", "--offline"),
    )
    assert again.code == 0, again.out


def test_another_release_than_the_named_one_is_not_taken(walk: Walk, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "entry.json").write_bytes(walk.world.log.entries[2])
    ran = drive_elsewhere(walk, tmp_path, "--release", tmp_path / "other", "--format", "json")
    assert ran.code == 1
    failed = [each for each in json.loads(ran.out)["findings"] if each["status"] == "fail"]
    assert [each["check"] for each in failed] == ["drive.release"]
    assert "cvm-audit: probes are not made, because another release answers" in ran.err.splitlines()
    skipped = [each for each in json.loads(ran.out)["findings"] if each["status"] == "skip"]
    asked = {each["check"]: each["got"] for each in skipped}
    assert asked["drive.path.answer"] == "not checked: the drive ended before"


@pytest.mark.parametrize(
    ("accounts", "got"), [("", "none"), ("short\n", "another"), ("a" * 20 + "\n b\n", "another")]
)
def test_accounts_that_are_none_are_refused(
    walk: Walk, tmp_path: Path, accounts: str, got: str
) -> None:
    ran = drive_elsewhere(walk, tmp_path, accounts=accounts)
    assert ran.code == 2
    assert f"accounts: {got} (expected lines that are each the secret of an account)" in ran.err


def test_a_deployment_that_cannot_be_read_is_refused(walk: Walk, tmp_path: Path) -> None:
    document = tmp_path / "deployment.json"
    document.write_bytes(walk.file.read_bytes().replace(b"http://127.0.0.1", b"http://192.0.2.1"))
    ran = drive_elsewhere(walk, tmp_path, "--deployment", document)
    assert ran.code == 2
    assert "https, or a role on this machine" in ran.err


# Before a path is started at all.


def booted(world: World, folder: Path, **changes: Any) -> tuple[Drive, list[str]]:
    said: list[str] = []
    rules = {"policy": parse_policy(world.policy), "policy_text": world.policy}
    made = plan(folder, process=True, **(rules | changes))
    return drive_booted_path(made, plan_of(world), say=said.append), said


def test_other_artifacts_than_the_released_ones_are_not_booted(
    world: World, tmp_path: Path
) -> None:
    other = replace(ARTIFACTS, initrd=ARTIFACTS.initrd + b"x")
    drive, said = booted(world, tmp_path, artifacts=other)
    assert said == []
    assert list(with_status(drive.verdict, Status.FAIL)) == ["drive.artifacts"]
    skipped = with_status(drive.verdict, Status.SKIP)
    assert skipped["drive.boot"][1] == "not checked: the drive ended before"
    assert skipped["drive.path.feature_off"][1] == "not checked: the drive ended before"
    assert (drive.verdict.level, drive.bundle) == ("", {})


def test_guests_that_do_not_serve_are_behind_no_path(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    drive, said = booted(world, tmp_path)
    assert drive.verdict.outcome is Outcome.NOT_DETERMINED
    assert with_status(drive.verdict, Status.ERROR) == {
        "drive.boot": ("the program", "bwrap: it is not installed")
    }
    assert said == ["bwrap: booting", "bwrap: bwrap: it is not installed"]


def test_a_policy_without_keys_boots_nothing(world: World, tmp_path: Path) -> None:
    with pytest.raises(PolicyError):
        booted(world, tmp_path, policy=parse_policy(policy_text()))
