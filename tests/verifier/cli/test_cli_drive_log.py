"""``cvm-audit drive --log`` up to where a machine would start: what it takes and refuses."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from log_server.signer import Ed25519Cosigner, Ed25519Signer
from tests import making
from tests.key_documents import (
    OPERATOR,
    STRANGER,
    TOKEN,
    configuration,
    key_entries,
    keys_section,
)
from tests.log_server.foreign import publish_foreign
from tests.running import Ran, cvm_audit
from tests.serving import serving
from tests.verifier.cli.test_cli_drive import document, of
from tests.verifier.drive.test_drive_machine import ARTIFACTS
from tests.verifier.release.stating import stated
from verifier.cli.publishing import Publisher
from verifier.drive.artifacts import FILES
from verifier.drive.leftovers import sweep

SIGNER = Ed25519Signer(name=making.ORIGIN, seed=b"L" * 32)
AT = ("--at", f"{making.NOW:%Y-%m-%dT%H:%M:%SZ}")
REQUIRE = ("evidence", "keys", "log", "release")
ROLES = ARTIFACTS.by_role()
_KEPT = re.compile(r"release: entry (\d+), version (\S+), (.*)")


def release(
    version: str = "1.0.0", security: int = 3, by: Publisher = making.PUBLISHER, **predicate: Any
) -> bytes:
    """An entry of a release whose four files are those of ``ARTIFACTS``."""
    artifacts = [
        {"name": name, "role": role, "size": len(ROLES[role]), "locations": []}
        for role, name in FILES.items()
    ]
    whole: dict[str, Any] = {"version": version, "securityVersion": security}
    whole |= {"artifacts": artifacts} | predicate
    stating = making.statement(**whole)
    stating["subject"] = [
        {"name": each["name"], "digest": {"sha256": sha256(ROLES[each["role"]]).hexdigest()}}
        for each in whole["artifacts"]
    ]
    return making.entry(stating, by=by)


ISSUER_KEYS = key_entries()[1]
GATEWAY_KEYS = key_entries()[0]
ENTRIES = (b"another", release("0.9.0", 4), GATEWAY_KEYS, release(), ISSUER_KEYS, release("1.0.1"))


class Auditor:
    """A log, a policy and the files of the release, below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "log"
        self.files = root / "files"
        for folder in ("log", "files", "platform", "keys/key-configuration"):
            (root / folder).mkdir(parents=True)
        for role, name in FILES.items():
            (self.files / name).write_bytes(ROLES[role])
        statements = {"gateway": configuration(), "issuer": configuration_of_issuer()}
        for role, each in statements.items():
            path = root / "keys" / "key-configuration" / f"{role}.json"
            path.write_text(json.dumps(each))
        (root / "policy.toml").write_bytes(policy())
        publish_foreign(self.log, ENTRIES, SIGNER)

    def publish(self, *entries: bytes) -> None:
        shutil.rmtree(self.log)
        publish_foreign(self.log, entries, SIGNER)

    def drive(self, *more: object, log: object = None, direct: bool = True) -> Ran:
        way = ("--direct",) if direct else ("--keys", self.root / "keys")
        return cvm_audit(
            *("drive", *way, "--log", log or self.log, "--policy", self.root / "policy.toml"),
            *("--platform", self.root / "platform", *AT, *more),
        )


def configuration_of_issuer() -> dict[str, Any]:
    return configuration("issuer", "token", TOKEN)


def policy(**changes: Any) -> bytes:
    rules = {"require": REQUIRE, "report_data": "session"} | changes
    return making.policy(**rules) + (keys_section() if "keys" in rules["require"] else b"")


@pytest.fixture
def auditor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Auditor:
    """On a machine that has no QEMU, so that every drive ends where the first boot would begin."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return Auditor(tmp_path)


def taken(ran: Ran) -> tuple[int, str, str]:
    """Which release was taken, its version, and why."""
    (found,) = [match for line in ran.err.splitlines() if (match := _KEPT.search(line))]
    return int(found[1]), found[2], found[3]


def test_the_newest_release_is_taken_judged_and_brought(auditor: Auditor) -> None:
    ran = auditor.drive("--from", auditor.files, "--format", "json")
    assert ran.code == 3, ran.err
    index, version, why = taken(ran)
    assert (index, version) == (1, "0.9.0")
    assert why == "security version 4, the highest of 3"
    read = document(ran)
    assert of(read, "drive.artifacts")["status"] == "pass"
    assert "it is not installed" in of(read, "drive.boot")["got"]
    steps = [line.removeprefix("cvm-audit: ") for line in ran.err.splitlines()]
    for step in (
        f"log: {auditor.log}",
        "log: 6 entries to read",
        "release: entry 1 is logged, signed, and what the policy wants",
        "artifact 4 of 4: command-line, 13 bytes",
    ):
        assert step in steps


def test_of_equal_security_versions_the_last_one_is_taken(auditor: Auditor) -> None:
    auditor.publish(release("1.1.0"), release("1.0.5"), release("1.0.0"))
    ran = auditor.drive("--from", auditor.files)
    why = "security version 3, the highest of 3; 3 have it, and this one was logged last"
    assert taken(ran) == (2, "1.0.0", why)


def test_a_version_can_be_named(auditor: Auditor) -> None:
    ran = auditor.drive("--from", auditor.files, "--release-version", "1.0.1")
    why = "security version 3, the highest of 1 of version 1.0.1"
    assert (ran.code, taken(ran)) == (3, (5, "1.0.1", why))
    ran = auditor.drive("--from", auditor.files, "--release-version", "7")
    assert (ran.code, ran.out) == (3, "")
    assert f"{auditor.log}: versions 0.9.0, 1.0.1, 1.0.0 (expected a release of reference-cvm" in (
        ran.err
    )
    assert "(summariser), version 7, signed by 1 of " in ran.err
    auditor.publish(*(release(f"0.{number}") for number in range(9)))
    ran = auditor.drive("--from", auditor.files, "--release-version", "7")
    assert "versions 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1 and older ones (" in ran.err


def test_an_index_can_be_named_and_nothing_else_is_read(auditor: Auditor) -> None:
    ran = auditor.drive("--from", auditor.files, "--index", 3)
    assert ran.code == 3
    assert "entries to read" not in ran.err
    assert "release: entry 3 is logged" in ran.err
    ran = auditor.drive("--from", auditor.files, "--index", 6)
    assert (ran.code, ran.out) == (3, "")
    assert "entry 6: 6 (expected an index below 6)" in ran.err


def test_a_withdrawn_release_is_told_and_not_taken(auditor: Auditor) -> None:
    bad = release("0.9.0", 4)
    whole = {
        "withdrawn": [{"name": "it", "sort": "entry"}],
        "reason": "vulnerable",
        "text": "it reads beyond its buffer",
        "since": "2026-11-20T00:00:00Z",
    }
    word = making.entry(stated("revocation", {"it": sha256(bad).digest()}, whole))
    auditor.publish(bad, word, release())
    told = "entry 0, version 0.9.0: withdrawn by entry 1"
    ran = auditor.drive("--from", auditor.files)
    assert (taken(ran)[:2], told in ran.err) == ((2, "1.0.0"), True)
    ran = auditor.drive("--from", auditor.files, "--release-version", "1.0.0")
    assert (taken(ran)[:2], told in ran.err) == ((2, "1.0.0"), False)
    auditor.publish(bad, word)
    ran = auditor.drive("--from", auditor.files)
    assert (ran.code, ran.out) == (3, "")
    assert f"{auditor.log}: 1, and all are withdrawn (expected a release of " in ran.err


@pytest.mark.parametrize(
    ("entries", "got"),
    [
        ((b"another", release(product="other-cvm")), "none; releases of other-cvm (summariser)"),
        ((release(role="gateway"),), "none; releases of reference-cvm (gateway)"),
        ((b"another",), "none; releases of nothing"),
        ((), "none; releases of nothing"),
        ((release(by=STRANGER), release(by=OPERATOR)), "2 of it, none signed by who counts"),
    ],
)
def test_a_log_without_the_release_determines_nothing(
    auditor: Auditor, entries: Sequence[bytes], got: str
) -> None:
    auditor.publish(*entries)
    ran = auditor.drive("--from", auditor.files)
    assert (ran.code, ran.out) == (3, "")
    publisher = making.PUBLISHER.key.keyid
    expected = f"a release of reference-cvm (summariser) signed by 1 of {publisher}"
    assert f"cvm-audit: {auditor.log}: {got} (expected {expected})" in ran.err


FAILING: list[tuple[dict[str, Any], bytes, tuple[str, ...], str]] = [
    ({"minimum_security_version": 9}, release(), (), "release.security_version"),
    ({}, release(notAfter="2026-11-20T00:00:00Z"), (), "release.not_after"),
    ({}, release(by=STRANGER), ("--index", "1"), "release.signature"),
    ({}, release(product="other-cvm"), ("--index", "1"), "release.product"),
    ({}, release(role="gateway"), ("--index", "1"), "release.role"),
    ({}, GATEWAY_KEYS, ("--index", "1"), "release.format"),
    ({}, b"raw", ("--index", "1"), "release.format"),
]


@pytest.mark.parametrize(("rules", "entry", "named", "check"), FAILING)
def test_a_release_that_does_not_hold_fails_before_anything_is_brought(
    auditor: Auditor, rules: dict[str, Any], entry: bytes, named: tuple[str, ...], check: str
) -> None:
    auditor.publish(b"another", entry)
    (auditor.root / "policy.toml").write_bytes(policy(release=rules))
    work = auditor.root / "work"
    words = (*named, "--work", work, "--format", "json")
    ran = auditor.drive(*words, "--from", auditor.files)
    read = document(ran)
    assert (ran.code, read["verdict"], read["target"]["kind"]) == (1, "FAILED", "release-entry")
    assert [each["check"] for each in read["findings"] if each["status"] == "fail"] == [check]
    assert sorted(each.name for each in work.iterdir()) == [".cvm-audit-drive", "release-1"]


def test_the_verdict_is_that_of_release_verify(auditor: Auditor) -> None:
    (auditor.root / "policy.toml").write_bytes(policy(release={"minimum_security_version": 9}))
    work = auditor.root / "work"
    ran = auditor.drive("--work", work, "--format", "json")
    alone = cvm_audit(
        *("release", "verify", work / "release-1" / "entry.json", "--format", "json", *AT),
        *("--proof", work / "release-1" / "entry.tlog-proof"),
        *("--policy", auditor.root / "policy.toml"),
    )
    assert (ran.out, ran.code) == (alone.out, alone.code)


def test_witnesses_that_are_missing_fail(auditor: Auditor) -> None:
    cosigner = Ed25519Cosigner(name="witness.invalid", seed=b"W" * 32).key
    text = policy().decode()
    text = text.replace("quorum none", f"witness w {cosigner}\nquorum w")
    (auditor.root / "policy.toml").write_text(text)
    ran = auditor.drive("--from", auditor.files, "--format", "json")
    assert ran.code == 1
    assert of(document(ran), "log.witness.quorum")["status"] == "fail"


def test_another_log_is_refused(auditor: Auditor) -> None:
    publish_foreign(auditor.log, ENTRIES, Ed25519Signer(name=making.ORIGIN, seed=b"X" * 32))
    ran = auditor.drive("--from", auditor.files)
    assert (ran.code, ran.out) == (1, "")
    assert "cvm-audit: log signature: " in ran.err
    ran = auditor.drive("--from", auditor.files, "--index", 1, "--format", "json")
    assert ran.code == 1
    assert of(document(ran), "log.checkpoint.signature")["status"] == "fail"


def test_entries_that_the_log_did_not_sign_are_refused(auditor: Auditor) -> None:
    genuine = (auditor.log / "checkpoint").read_bytes()
    without_the_newest = (*ENTRIES[:1], b"something else", *ENTRIES[2:])
    publish_foreign(auditor.log, without_the_newest, SIGNER)
    (auditor.log / "checkpoint").write_bytes(genuine)
    ran = auditor.drive("--from", auditor.files)
    assert (ran.code, ran.out) == (1, "")
    assert "cvm-audit: root of the entries: " in ran.err
    assert "release: " not in ran.err


@pytest.mark.parametrize("log", ["http://127.0.0.1:9", "nowhere"])
def test_a_log_that_is_not_there_determines_nothing(auditor: Auditor, log: str) -> None:
    ran = auditor.drive(log=log)
    assert (ran.code, ran.out) == (3, "")
    assert f"cvm-audit: {log}/checkpoint: " in ran.err


def test_artifacts_that_are_nowhere_determine_nothing(auditor: Auditor) -> None:
    ran = auditor.drive()
    assert (ran.code, ran.out) == (3, "")
    assert "artifact firmware.fd: no place to look at (expected the file)" in ran.err
    (auditor.files / "kernel.bin").unlink()
    ran = auditor.drive("--from", auditor.files)
    assert (ran.code, ran.out) == (3, "")
    assert f"artifact kernel.bin: {auditor.files}/kernel.bin: No such file" in ran.err


def test_other_artifacts_are_refused(auditor: Auditor) -> None:
    (auditor.files / "kernel.bin").write_bytes(b"another")
    ran = auditor.drive("--from", auditor.files)
    assert (ran.code, ran.out) == (1, "")
    assert f"kernel.bin at {auditor.files}/kernel.bin: 7 bytes, sha256 " in ran.err


def test_a_release_with_two_kernels_is_not_brought(auditor: Auditor) -> None:
    names = {**FILES, "kernel-2": "kernel-2"}
    artifacts = [
        {"name": name, "role": role.removesuffix("-2"), "locations": []}
        | {"size": len(ROLES[role.removesuffix("-2")])}
        for role, name in names.items()
    ]
    auditor.publish(release(artifacts=artifacts))
    ran = auditor.drive("--from", auditor.files)
    assert (ran.code, ran.out) == (1, "")
    assert "kernel of the release: 2 of them (expected one artifact)" in ran.err


def test_artifacts_of_ones_own_are_taken_with_a_log(auditor: Auditor) -> None:
    ran = auditor.drive("--artifacts", auditor.files, "--format", "json")
    assert ran.code == 3
    assert of(document(ran), "drive.artifacts")["status"] == "pass"
    assert "artifact 1 of 4" not in ran.err


def test_nothing_is_fetched_twice_and_the_copy_drives_offline(auditor: Auditor) -> None:
    work = auditor.root / "work"
    asked: list[str] = []
    with serving(auditor.root, asked.append) as url:
        words = ("--from", f"{url}/files", "--work", work)
        first = auditor.drive(*words, log=f"{url}/log")
        assert first.code == 3, first.err
        assert len(asked) == len(set(asked)) == 1 + 1 + 1 + 4  # checkpoint, bundle, tile, files
        asked.clear()
        second = auditor.drive(*words, log=f"{url}/log")
        assert (second.last, asked) == (first.last, ["/log/checkpoint"])
        asked.clear()
        again = words_of(first)
        assert again[:2] == ["drive", "--direct"]
        assert ("--offline" in again, str(work / "log") in again) == (True, True)
        assert again[again.index("--index") + 1] == "1"
        assert (cvm_audit(*again).last, asked) == (first.last, [])
    names = [".cvm-audit-drive", "image-1", "log", "release-1"]
    assert sorted(each.name for each in work.iterdir()) == names


def words_of(ran: Ran) -> list[str]:
    """The command that the last line of a verdict prints, without the program."""
    words = shlex.split(ran.last.split("re-verify: ")[1])
    return words[words.index("drive") :]


def test_an_entry_of_the_copy_can_be_fetched_from_it(auditor: Auditor) -> None:
    work, output = auditor.root / "work", auditor.root / "fetched"
    with serving(auditor.log) as url:
        auditor.drive("--from", auditor.files, "--work", work, log=url)
    words = ("--index", 1, "--log", work / "log", "--vkey", SIGNER.key, "-o", output)
    ran = cvm_audit("release", "fetch", *words)
    assert ran.code == 0, ran.err
    for name in ("entry.json", "entry.tlog-proof"):
        assert (output / name).read_bytes() == (work / "release-1" / name).read_bytes()


def test_without_a_folder_the_command_says_where_the_log_is(auditor: Auditor) -> None:
    with serving(auditor.log) as url:
        ran = auditor.drive("--from", auditor.files, log=url)
        again = words_of(ran)
        assert ("--offline" in again, url in again) == (False, True)
        assert cvm_audit(*again).last == ran.last


def test_without_a_folder_a_command_is_offline_where_the_drive_was(auditor: Auditor) -> None:
    with serving(auditor.files) as url:
        ran = auditor.drive("--from", url)
        assert "--offline" not in words_of(ran)
        assert cvm_audit(*words_of(ran)).last == ran.last
    ran = auditor.drive("--from", auditor.files, "--offline")
    assert "--offline" in words_of(ran)
    assert cvm_audit(*words_of(ran)).last == ran.last


def test_a_grown_log_gives_the_newer_release_in_the_same_folder(auditor: Auditor) -> None:
    work = auditor.root / "work"
    words = ("--from", auditor.files, "--work", work)
    assert taken(auditor.drive(*words))[0] == 1
    auditor.publish(*ENTRIES, release("2.0.0", 5))
    assert taken(auditor.drive(*words))[0] == 6
    assert {"release-1", "release-6", "image-1", "image-6"} <= {p.name for p in work.iterdir()}


def test_a_copy_of_another_log_is_told(auditor: Auditor) -> None:
    work = auditor.root / "work"
    words = ("--from", auditor.files, "--work", work)
    with serving(auditor.log) as url:
        assert auditor.drive(*words, log=url).code == 3
        publish_foreign(auditor.log, [b"x", *ENTRIES[1:]], SIGNER)
        ran = auditor.drive(*words, log=url)
    assert ran.code == 1
    assert f"hint: remove {work}/log if it is a copy of another log" in ran.err


def test_a_temporary_folder_is_ours_while_we_run_and_gone_afterwards(
    auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = auditor.root / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    seen: list[list[str]] = []

    def swept(_: str) -> None:
        sweep(place)  # as another drive begins
        seen.append([path.name for path in place.iterdir()])

    with serving(auditor.root, swept) as url:
        auditor.drive("--from", f"{url}/files", log=f"{url}/log")
    assert len(seen) == 7
    assert all(len(names) == 1 and names[0].startswith("cvm-audit-drive-") for names in seen)
    assert list(place.iterdir()) == []


def test_offline_from_a_folder(auditor: Auditor, offline: None) -> None:
    assert offline is None
    ran = auditor.drive("--from", auditor.files, "--offline", "--format", "json")
    assert (ran.code, document(ran)["offline"]) == (3, True)
    ran = auditor.drive("--from", "http://127.0.0.1:9", "--offline")
    assert "artifact firmware.fd: http://127.0.0.1:9/firmware.fd: not asked, offline" in ran.err


USAGE = [
    (("--offline",), "http://127.0.0.1:9", "--log URL needs a network, and --offline forbids it"),
    (("--release", "."), None, "--release and --log exclude each other"),
    (("--index", "0", "--release-version", "1"), None, "--index and --release-version exclude"),
    (("--artifacts", ".", "--rebuild"), None, "--artifacts and --rebuild exclude each other"),
    (("--artifacts", ".", "--from", "."), None, "--artifacts and --from exclude each other"),
    (("--source", ".", "--store", "x"), None, "without --rebuild has no use for --source, --store"),
    (("--mirror", "http://x"), None, "a drive without --rebuild has no use for --mirror"),
    (("--keys", "."), None, "--direct has no use for --keys"),
]


@pytest.mark.parametrize(("words", "log", "said"), USAGE)
def test_contradictions_are_usage(
    auditor: Auditor, words: tuple[str, ...], log: str | None, said: str
) -> None:
    ran = auditor.drive(*words, log=log)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_a_release_in_a_folder_takes_no_option_of_a_log(auditor: Auditor) -> None:
    words = ("drive", "--direct", "--policy", auditor.root / "policy.toml", "--platform", ".")
    ran = cvm_audit(*words)
    assert (ran.code, "--release DIR or --log URL|DIR is needed" in ran.err) == (2, True)
    given = ("--release", ".", "--index", "0", "--from", ".", "--rebuild", "--work", "x")
    ran = cvm_audit(*words, *given)
    assert ran.code == 2
    assert "--release has no use for --index, --from, --rebuild, --work" in ran.err


def test_a_deployment_takes_its_release_from_the_log_and_boots_nothing(auditor: Auditor) -> None:
    deployment, accounts = auditor.root / "deployment.json", auditor.root / "accounts"
    nobody = dict.fromkeys(("relay", "issuer", "keyCdn"), "http://127.0.0.1:9")
    names = {"authority": "gateway.invalid", "issuerName": "issuer.invalid"}
    whole = {"schema": "cvm-audit/deployment/v1", **names, **nobody}
    deployment.write_text(json.dumps(whole))
    accounts.write_text("0" * 48 + "\n")
    words = (
        *("drive", "--log", auditor.log, "--policy", auditor.root / "policy.toml", *AT),
        *("--deployment", deployment, "--accounts", accounts, "--format", "json"),
    )
    ran = cvm_audit(*words)
    assert (ran.code, taken(ran)[0]) == (3, 1), ran.err
    assert "drive.artifacts" in document(ran)["notProven"]
    assert "artifact 1 of 4" not in ran.err
    ran = cvm_audit(*words, "--rebuild", "--from", ".")
    assert (ran.code, ran.out) == (2, "")
    assert "--deployment has no use for --from, --rebuild" in ran.err
    deployment.write_text("no deployment")
    ran = cvm_audit(*words)
    assert (ran.code, ran.out) == (2, "")
    assert "entries to read" not in ran.err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"require": ("evidence",), "measurement": ["11" * 48]}, "policy.require: evidence"),
        (
            {"release": {"identities": [{"identity": "a@b.c", "issuer": "https://i"}]}},
            "policy.release.identities: identities",
        ),
    ],
)
def test_a_policy_that_does_not_say_whose_release_counts(
    auditor: Auditor, changes: dict[str, Any], said: str
) -> None:
    (auditor.root / "policy.toml").write_bytes(policy(**changes))
    ran = auditor.drive()
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_a_work_folder_of_something_else_is_left_alone(auditor: Auditor) -> None:
    ran = auditor.drive("--work", auditor.files)
    assert ran.code == 2
    assert "a new folder, or one that a drive worked in" in ran.err


def test_keys_of_a_path_come_from_the_log(auditor: Auditor) -> None:
    work = auditor.root / "work"
    ran = auditor.drive("--from", auditor.files, "--work", work, direct=False)
    assert ran.code == 3, ran.err
    assert "keys of the gateway: entry 2" in ran.err
    assert "keys of the issuer: entry 4" in ran.err
    assert (work / "keys-gateway" / "entry.json").read_bytes() == GATEWAY_KEYS
    assert (work / "keys-issuer" / "entry.json").read_bytes() == ISSUER_KEYS


def test_of_equal_keys_a_valid_configuration_is_taken(auditor: Auditor) -> None:
    renewed = configuration(notBefore="2026-11-21T11:00:00Z", notAfter="2027-01-01T00:00:00Z")
    ended = configuration(notBefore="2026-10-01T00:00:00Z", notAfter="2026-11-01T00:00:00Z")
    more = (making.entry(each, by=OPERATOR) for each in (renewed, ended))
    auditor.publish(*ENTRIES, *more)
    ran = auditor.drive("--from", auditor.files, direct=False)
    assert "keys of the gateway: entry 6" in ran.err


def test_keys_that_are_not_logged_determine_nothing(auditor: Auditor) -> None:
    for issuer in ((), (making.entry(configuration_of_issuer(), by=STRANGER),)):
        auditor.publish(release(), GATEWAY_KEYS, *issuer)
        ran = auditor.drive("--from", auditor.files, direct=False)
        assert (ran.code, ran.out) == (3, "")
        assert (
            f"{auditor.log}: none by who counts (expected a key configuration of the issuer "
            in (ran.err)
        )
        assert "artifact 1 of 4" not in ran.err


def test_keys_that_have_ended_fail_before_anything_is_booted(auditor: Auditor) -> None:
    ended = configuration(notBefore="2026-10-01T00:00:00Z", notAfter="2026-11-01T00:00:00Z")
    auditor.publish(release(), making.entry(ended, by=OPERATOR), ISSUER_KEYS)
    ran = auditor.drive("--from", auditor.files, "--format", "json", direct=False)
    read = document(ran)
    assert (ran.code, read["verdict"], read["target"]["kind"]) == (1, "FAILED", "key-document")
    assert [each["check"] for each in read["findings"] if each["status"] == "fail"] == [
        "keys.validity"
    ]
    assert "artifact 1 of 4" not in ran.err


def test_keys_that_a_folder_does_not_have_are_usage(auditor: Auditor) -> None:
    path = auditor.root / "keys" / "key-configuration" / "issuer.json"
    path.write_text(json.dumps(making.statement()))
    ran = auditor.drive("--from", auditor.files, direct=False)
    assert (ran.code, ran.out) == (2, "")
    assert f"{path}: " in ran.err
    path.unlink()
    ran = auditor.drive("--from", auditor.files, direct=False)
    assert (ran.code, f"{path}: No such file" in ran.err) == (2, True)


def test_a_policy_without_keys_has_no_path(auditor: Auditor) -> None:
    (auditor.root / "policy.toml").write_bytes(policy(require=("evidence", "log", "release")))
    ran = auditor.drive("--from", auditor.files, direct=False)
    assert (ran.code, ran.out) == (2, "")
    assert "policy.require: evidence, log, release (expected require = [" in ran.err


def test_logged_keys_of_ones_own_are_taken_with_a_log(auditor: Auditor) -> None:
    words = ("--from", auditor.files, "--index", 1, "--logged-keys", auditor.root)
    ran = auditor.drive(*words, direct=False)
    assert ran.code == 3
    assert ("keys of the" in ran.err, "entries to read" in ran.err) == (False, False)
