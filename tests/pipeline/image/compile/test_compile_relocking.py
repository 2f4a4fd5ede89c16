"""``relock --from-source`` with the machine's own apt, against an archive in a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.image.cli import main
from pipeline.image.compile.recipe import FIRMWARE_SOURCE_PACKAGE
from pipeline.image.compile.relocking import check_toolchain, source_inputs
from pipeline.image.lock import (
    FIRMWARE_PATCHES,
    FIRMWARE_SOURCE,
    KERNEL_SOURCE,
    TOOLCHAIN,
    TOOLCHAIN_LOCK,
    Input,
    parse_lock,
)
from tests.architecture.source import ROOT
from tests.pipeline.image.compile.synthetic_toolchain import toolchain_inputs
from tests.pipeline.image.debian_archive import export_keyring, signing_home, stanza, write_suite
from tests.pipeline.image.refusing import refused
from verifier.errors import ParseError, PolicyError

PROGRAMS = ("apt-get", "apt-cache", "gpg", "gpgconf", "gpgv")
TARS = {"orig": ".orig.tar.xz", "debian": ".debian.tar.xz"}


@pytest.fixture(scope="module")
def signing() -> Iterator[dict[str, str]]:
    for program in PROGRAMS:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine")
    with signing_home() as environment:
        yield environment


def source_stanza(files: dict[str, bytes]) -> str:
    lines = [f" {sha256(raw).hexdigest()} {len(raw)} {name}\n" for name, raw in files.items()]
    old = [f" {'0' * 32} {len(raw)} {name}\n" for name, raw in files.items()]
    return (
        f"Package: {FIRMWARE_SOURCE_PACKAGE}\nBinary: ovmf\nVersion: 1.0-1\nFormat: 3.0 (quilt)\n"
        f"Files:\n{''.join(old)}Checksums-Sha256:\n{''.join(lines)}"
        "Directory: pool/main/e/edk2\n"
    )


def write_archive(folder: Path, made: dict[Input, bytes], signing: dict[str, str]) -> Path:
    """An archive of ``made``, in which make needs a library that the recipe does not name."""
    texts, sources = [], {"edk2_1.0-1.dsc": b"text"}
    for item, raw in made.items():
        path = Path(item.path)
        if item.architecture == "source":
            name = f"edk2_1.0{TARS[item.name.removeprefix('edk2-')]}"
            path, sources[name] = Path("pool/main/e/edk2") / name, raw
        else:
            needs = "Depends: libx (>= 1)\n" if item.name == "make" else ""
            texts.append(stanza(item.name, "1.0-1", path, raw) + needs)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(raw)
    texts.append(stanza("libx", "1.0-1", Path("pool/main/libx.deb"), b"x"))
    texts.append(stanza("unneeded", "1.0-1", Path("pool/main/unneeded.deb"), b"x"))
    index, text = "\n".join(texts), source_stanza(sources)
    write_suite(folder / "dists" / "trixie", "trixie", index, signing, sources=text)
    return export_keyring(folder, signing)


@pytest.mark.slow
def test_a_toolchain_lock_is_made_from_the_signed_indexes(
    tmp_path: Path, signing: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    made = toolchain_inputs()
    keyring = write_archive(tmp_path / "debian", made, signing)
    path = tmp_path / "toolchain.lock"
    options = ["--from-source", "--toolchain-lock", str(path), "--keyring", str(keyring)]
    options += ["--mirror", (tmp_path / "debian").as_uri()]
    assert main(["relock", "--dry-run", *options]) == 0
    assert not path.exists()
    assert main(["relock", *options]) == 0
    lock = parse_lock(path.read_bytes(), TOOLCHAIN_LOCK)
    signed = (tmp_path / "debian" / "dists" / "trixie" / "InRelease").read_bytes()
    assert [suite.inrelease_sha256 for suite in lock.suites] == [sha256(signed).digest()]
    digests = {item.name: item.sha256 for item in lock.inputs}
    assert digests.pop("libx") == sha256(b"x").digest()
    assert digests == {item.name: item.sha256 for item in made}
    orig = next(item for item in lock.inputs if item.name == "edk2-orig")
    assert orig.path == "pool/main/e/edk2/edk2_1.0.orig.tar.xz"
    assert "+ gcc 1.0-1 (toolchain)" in capsys.readouterr().out
    assert main(["relock", *options]) == 0
    assert capsys.readouterr().out == "nothing changed\n"


def test_the_lock_of_the_tree_pins_what_the_recipe_names_and_what_that_needs() -> None:
    lock = parse_lock(
        (ROOT / "pipeline" / "image" / TOOLCHAIN_LOCK.name).read_bytes(), TOOLCHAIN_LOCK
    )
    check_toolchain(lock)
    names = {item.name for item in lock.of_role(TOOLCHAIN)}
    # Needed by what the recipe names, and by nothing in the recipe itself.
    assert {"cpp-14", "gcc-14", "libc6", "libmpfr6", "libelf1t64", "python3.13-minimal"} <= names
    for role in (FIRMWARE_PATCHES, FIRMWARE_SOURCE, KERNEL_SOURCE):
        (item,) = lock.of_role(role)
        assert item.path.startswith("pool/main/"), item


def test_the_two_locks_are_not_taken_for_one_another() -> None:
    folder = ROOT / "pipeline" / "image"
    for name, form in (("toolchain.lock", None), ("inputs.lock", TOOLCHAIN_LOCK)):
        raw = (folder / name).read_bytes()
        with pytest.raises(PolicyError) as caught:
            parse_lock(raw) if form is None else parse_lock(raw, form)
        assert caught.value.what.endswith(".role")


FILES = {f"edk2_1.0{ending}": ending.encode() for ending in TARS.values()}


def test_the_tars_of_a_source_package_are_found() -> None:
    patches, source = sorted(source_inputs(source_stanza(FILES)), key=lambda item: item.name)
    assert (source.name, source.role) == ("edk2-orig", FIRMWARE_SOURCE)
    assert (patches.name, patches.role) == ("edk2-debian", FIRMWARE_PATCHES)
    raw = FILES["edk2_1.0.orig.tar.xz"]
    assert (source.size, source.sha256) == (len(raw), sha256(raw).digest())
    assert (source.version, source.architecture) == ("1.0-1", "source")


@pytest.mark.parametrize(
    ("files", "expected", "got"),
    [
        ({"edk2_1.0.orig.tar.xz": b""}, "one *.debian.tar.xz", "'none'"),
        (
            FILES | {"edk2_2.0.orig.tar.xz": b""},
            "one *.orig.tar.xz",
            "'edk2_1.0.orig.tar.xz, edk2_2.0.orig.tar.xz'",
        ),
    ],
)
def test_a_source_package_without_its_tars_is_refused(
    files: dict[str, bytes], expected: str, got: str
) -> None:
    with refused(ParseError, "source package edk2", expected=expected, got=got):
        source_inputs(source_stanza(files))


def test_an_entry_without_a_directory_is_refused() -> None:
    text = source_stanza(FILES).replace("Directory: ", "Folder: ")
    with refused(
        ParseError, "source package edk2", expected="Directory and Version", got="Version"
    ):
        source_inputs(text)
