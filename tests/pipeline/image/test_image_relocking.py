"""``relock`` and ``fetch`` with the machine's own apt and pip, against an archive in a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.image.apt import machine_mirrors, open_root
from pipeline.image.lock import KERNEL, Lock, parse_lock
from pipeline.image.recipe import FIRMWARE_PACKAGE, WHEELS
from pipeline.image.relocking import changes
from tests.architecture.source import ROOT
from tests.pipeline.image.debian_archive import signing_home, write_archive
from tests.pipeline.image.refusing import refused
from tests.pipeline.image.synthetic_inputs import inputs, lock_of, wheels
from verifier.errors import FetchError

PROGRAMS = ("apt-get", "apt-cache", "gpg", "gpgconf", "gpgv")
LOCK = lock_of(inputs())


@pytest.fixture(scope="module")
def signing() -> Iterator[dict[str, str]]:
    for program in PROGRAMS:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine")
    with signing_home() as environment:
        yield environment


@pytest.fixture
def archive(tmp_path: Path, signing: dict[str, str]) -> Path:
    write_archive(tmp_path / "debian", signing)
    folder = tmp_path / "wheels"
    folder.mkdir()
    versions = dict(WHEELS)
    for name, raw in wheels().items():
        path = folder / f"{name.replace('-', '_')}-{versions[name]}-py3-none-any.whl"
        path.write_bytes(raw)
    (tmp_path / "sources.list").write_text(
        f"deb [trusted=yes] {(tmp_path / 'debian').as_uri()} trixie main\n"
        "deb https://other.invalid/repository cloud-sdk main\n"
    )
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::SourceList "{tmp_path / "sources.list"}";\nDir::Etc::SourceParts "/dev/null";\n'
    )
    return tmp_path


def image(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the builder on a machine whose apt and pip are configured as in ``folder``."""
    configured = {
        "APT_CONFIG": str(folder / "apt.conf"),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder / "wheels"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.image", *arguments],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("PIP_")} | configured,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    return done


def relock(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    keyring = str(folder / "debian" / "keyring.gpg")
    return image(
        folder, "relock", "--lock", str(folder / "new.lock"), "--keyring", keyring, *arguments
    )


@pytest.mark.slow
def test_a_lock_is_made_from_the_signed_index_of_the_machines_mirror(archive: Path) -> None:
    done = relock(archive)
    assert done.returncode == 0, done.stderr
    lock = parse_lock((archive / "new.lock").read_bytes())
    for suite in lock.suites:
        signed = (archive / "debian" / "dists" / suite.name / "InRelease").read_bytes()
        assert suite.inrelease_sha256 == sha256(signed).digest()
        assert suite.date == datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert {item.name: item.sha256 for item in lock.inputs} == {
        item.name: item.sha256 for item in LOCK.inputs
    }
    assert done.stdout.splitlines()[0] == "+ cffi 2.1.1 (wheel)"
    fetched = image(
        archive, "fetch", "--lock", str(archive / "new.lock"), "--store", str(archive / "store")
    )
    assert fetched.returncode == 0, fetched.stderr
    assert fetched.stderr.count(", from apt") == len(lock.inputs) - len(WHEELS)
    assert fetched.stderr.count(", from pip") == len(WHEELS)
    assert sorted(path.name for path in (archive / "store" / "sha256").iterdir()) == sorted(
        item.sha256.hex() for item in lock.inputs
    )
    assert [path.name for path in (archive / "store").iterdir()] == ["sha256"]


@pytest.mark.slow
def test_an_input_that_is_gone_is_named_and_relock_says_what_changed(
    archive: Path, signing: dict[str, str]
) -> None:
    assert relock(archive).returncode == 0
    (archive / "debian" / "pool" / "main" / "zlib1g_1.0-1_amd64.deb").unlink()
    write_archive(archive / "debian", signing, versions={"zlib1g": "1.1-1"})
    (archive / "debian" / "pool" / "main" / "zlib1g_1.0-1_amd64.deb").unlink(missing_ok=True)
    lock, store = str(archive / "new.lock"), str(archive / "store")
    before = (archive / "new.lock").read_bytes()
    failed = image(archive, "fetch", "--lock", lock, "--store", store)
    assert failed.returncode == 3
    last = failed.stderr.splitlines()[-2:]
    assert last[0].startswith(f"error: 1 of {len(LOCK.inputs)} inputs: zlib1g 1.0-1: apt: ")
    assert "relock, which says what changed" in last[1]
    told = relock(archive, "--dry-run")
    assert told.stdout == "  zlib1g: 1.0-1 -> 1.1-1\n"
    assert (archive / "new.lock").read_bytes() == before
    assert relock(archive).returncode == 0
    again = image(archive, "fetch", "--lock", lock, "--store", store)
    assert again.returncode == 0
    assert "1 of 1: zlib1g 1.1-1, " in again.stderr


def test_an_archive_that_nobody_signed_is_refused(archive: Path) -> None:
    for suite in ("trixie", "forky"):
        path = archive / "debian" / "dists" / suite / "InRelease"
        path.write_bytes(path.read_bytes().replace(b"Components: main", b"Components:  main"))
    done = relock(archive)
    assert done.returncode == 3
    assert "error: index of trixie: " in done.stderr
    assert not (archive / "new.lock").exists()


def test_an_index_that_the_signature_does_not_cover_is_refused(archive: Path) -> None:
    path = archive / "debian" / "dists" / "forky" / "main" / "binary-amd64" / "Packages"
    path.write_text(path.read_text().replace("1.0-1", "9.9-9"))
    done = relock(archive)
    assert done.returncode == 3
    assert "error: index of forky: " in done.stderr
    assert not (archive / "new.lock").exists()


@pytest.mark.slow
def test_a_mirror_that_does_not_answer_is_named(archive: Path) -> None:
    done = relock(archive, "--mirror", "http://127.0.0.1:9/debian")
    assert done.returncode == 3
    assert "error: index of trixie: " in done.stderr
    assert "127.0.0.1:9" in done.stderr


def test_without_debians_keys_there_is_no_lock(archive: Path) -> None:
    (archive / "debian" / "keyring.gpg").unlink()
    done = relock(archive)
    assert done.returncode == 3
    assert "keyring.gpg: no such file (expected Debian's keys)" in done.stderr
    assert "hint: install debian-archive-keyring, or give --keyring FILE" in done.stderr


def test_a_machine_without_apt_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError) as caught:
        machine_mirrors()
    error = caught.value
    assert (error.what, error.expected, error.got) == ("apt", "the program apt-get", "no such")
    assert error.hint == "install apt, or give --mirror URL or --bundle FILE"


def test_a_machine_without_a_suite_of_debian_is_told_what_to_do(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APT_CONFIG", str(archive / "apt.conf"))
    assert machine_mirrors() == (f"file:{archive / 'debian'}",)
    (archive / "sources.list").write_text("deb https://other.invalid/x noble main\n")
    with refused(
        FetchError, "apt", expected="a suite of Debian in apt's configuration", got="none"
    ):
        machine_mirrors()


def test_a_package_that_the_suite_lacks_is_named(archive: Path, tmp_path: Path) -> None:
    mirror = (archive / "debian").as_uri()
    keyring = archive / "debian" / "keyring.gpg"
    (tmp_path / "root").mkdir()
    root = open_root(tmp_path / "root", mirror=mirror, suite="forky", keyring=keyring)
    assert root.stanza(FIRMWARE_PACKAGE)["Version"] == "1.0-1"
    with pytest.raises(FetchError) as caught:
        root.stanza("zlib1g")
    error = caught.value
    assert (error.what, error.expected) == ("package zlib1g in forky", "success")
    assert error.got == "'No packages found'"


def test_changes_are_told_one_a_line() -> None:
    (kernel,) = LOCK.of_role(KERNEL)
    first, second = LOCK.inputs[:2]
    altered = (
        replace(kernel, name="linux-image-7"),
        replace(first, version="9"),
        replace(second, sha256=bytes(32)),
        *(item for item in LOCK.inputs[2:] if item is not kernel),
    )
    new = Lock((replace(LOCK.suites[0], date=datetime(2027, 1, 1, tzinfo=UTC)),), altered)
    assert list(changes(LOCK, new)) == [
        f"  {first.name}: {first.version} -> 9",
        f"! {second}: the same version with OTHER BYTES, {second.sha256.hex()} -> {'0' * 64}",
        "- linux-image-6.12.1-cloud-amd64 1.0-1 (kernel)",
        "+ linux-image-7 1.0-1 (kernel)",
        "  forky: as signed 2027-01-01T00:00:00Z, was 2026-11-21T00:00:00Z",
    ]
    assert list(changes(LOCK, LOCK)) == []
