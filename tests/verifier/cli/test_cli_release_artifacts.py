"""``release artifacts``: the files of a release from folders and servers that nobody believes."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.making import entry, statement
from tests.running import Ran, cvm_audit
from tests.serving import serving

FILES = {
    "firmware.fd": ("firmware", b"firmware" * 9),
    "boot/kernel": ("kernel", b"kernel" * 1000),
    "notes/one": ("vmm-command", b"qemu"),
    "notes/two": ("vmm-command", b""),
}
WRITTEN = {"firmware.fd", "kernel.bin", "notes/one", "notes/two"}


def document(**locations: list[str]) -> dict[str, Any]:
    """A release of FILES; keyword arguments are locations by role."""
    stated = statement(
        artifacts=[
            {
                "name": name,
                "role": role,
                "size": len(raw),
                "locations": locations.get(role.replace("-", "_"), []),
            }
            for name, (role, raw) in FILES.items()
        ]
    )
    stated["subject"] = [
        {"name": name, "digest": {"sha256": sha256(raw).hexdigest()}}
        for name, (_, raw) in FILES.items()
    ]
    return stated


class Place:
    """A release, a folder that has its files, and a folder to bring them to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.has = root / "has"
        self.output = root / "output"
        for name, (_, raw) in FILES.items():
            path = self.has / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)

    def run(self, *options: object, stated: dict[str, Any] | None = None) -> Ran:
        path = self.root / "entry.json"
        path.write_bytes(entry(stated or document()))
        return cvm_audit("release", "artifacts", path, "-o", self.output, *options)

    @property
    def written(self) -> set[str]:
        files = (path for path in self.output.rglob("*") if path.is_file())
        return {path.relative_to(self.output).as_posix() for path in files}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_folder_has_everything(place: Place) -> None:
    ran = place.run("--from", place.has)
    assert ran.code == 0, ran.err
    assert place.written == WRITTEN
    kernel = FILES["boot/kernel"][1]
    assert (place.output / "kernel.bin").read_bytes() == kernel
    assert f"{sha256(kernel).hexdigest()}  kernel.bin" in ran.out.splitlines()
    assert len(ran.out.splitlines()) == len(FILES)


def test_names_of_a_build_are_looked_for_too(place: Place) -> None:
    (place.has / "boot" / "kernel").rename(place.has / "kernel.bin")
    assert place.run("--from", place.has).code == 0
    assert place.written == WRITTEN


def test_a_server_has_everything(place: Place) -> None:
    with serving(place.has) as url:
        ran = place.run("--from", url)
    assert ran.code == 0, ran.err
    assert place.written == WRITTEN


def test_the_locations_of_the_release_are_tried_last(place: Place) -> None:
    (place.has / "firmware.fd").rename(place.root / "firmware")
    with serving(place.root) as url:
        stated = document(firmware=["http://127.0.0.1:9/nobody", f"{url}/firmware"])
        ran = place.run("--from", place.has, stated=stated)
    assert ran.code == 0, ran.err
    assert place.written == WRITTEN


def test_a_location_is_no_path_of_this_machine(place: Place) -> None:
    stated = document(firmware=[str(place.has / "firmware.fd"), (place.has / "x").as_uri()])
    ran = place.run("--role", "firmware", stated=stated)
    assert ran.code == 3
    assert "artifact firmware.fd: no place to look at" in ran.err
    assert "--from DIR|URL" in ran.err


@pytest.mark.parametrize("change", [b"", b"X", b"XX"])
def test_another_file_in_its_name_is_refused(place: Place, change: bytes) -> None:
    raw = FILES["boot/kernel"][1]
    wrong = raw[: len(raw) - 1] + change
    (place.has / "boot" / "kernel").write_bytes(wrong)
    ran = place.run("--from", place.has)
    assert ran.code == 1
    digest = sha256(raw).hexdigest()
    assert f"boot/kernel at {place.has}/boot/kernel: " in ran.err
    assert f"(expected {len(raw)} bytes, sha256 {digest})" in ran.err
    got = "more than 6000 bytes" if len(change) == 2 else f"sha256 {sha256(wrong).hexdigest()}"
    assert got in ran.err
    assert place.written == {"firmware.fd"}


def test_a_server_that_sends_more_than_was_released_is_refused(place: Place) -> None:
    (place.has / "boot" / "kernel").write_bytes(bytes(10_000_000))
    with serving(place.has) as url:
        ran = place.run("--from", url)
    assert ran.code == 1
    assert "more than 6000 bytes" in ran.err


def test_a_right_one_elsewhere_is_taken_all_the_same(place: Place) -> None:
    wrong = place.root / "wrong"
    wrong.mkdir()
    (wrong / "firmware.fd").write_bytes(b"another")
    assert place.run("--from", wrong, "--from", place.has).code == 0
    assert place.written == WRITTEN


def test_what_no_place_has_is_not_determined_and_a_later_run_resumes(place: Place) -> None:
    away = (place.has / "notes" / "one").rename(place.root / "away")
    ran = place.run("--from", place.has)
    assert ran.code == 3
    assert f"artifact notes/one: {place.has}/notes/one: No such file or directory" in ran.err
    assert place.written == {"firmware.fd", "kernel.bin"}
    (place.has / "firmware.fd").unlink()  # what was brought is not asked for again
    away.rename(place.has / "notes" / "one")
    assert place.run("--from", place.has).code == 0
    assert place.written == WRITTEN


def test_what_lies_there_is_never_written_over(place: Place) -> None:
    place.output.mkdir()
    (place.output / "kernel.bin").write_bytes(b"mine")
    ran = place.run("--from", place.has)
    assert ran.code == 1
    assert f"{place.output}/kernel.bin: 4 bytes, sha256 " in ran.err
    assert (place.output / "kernel.bin").read_bytes() == b"mine"


def test_offline_no_server_is_asked(place: Place) -> None:
    with serving(place.has) as url:
        ran = place.run("--from", url, "--offline")
    assert ran.code == 3
    assert f"{url}/firmware.fd: not asked, offline" in ran.err
    assert place.written == set()


def test_only_some_roles(place: Place) -> None:
    assert place.run("--from", place.has, "--role", "firmware", "--role", "kernel").code == 0
    assert place.written == {"firmware.fd", "kernel.bin"}
    ran = place.run("--role", "sbom")
    assert (ran.code, "--role: the release has no sbom" in ran.err) == (2, True)


def test_a_server_that_refuses_or_moves_is_told(place: Place) -> None:
    with serving(place.root / "nothing") as url:
        ran = place.run("--from", url)
    assert ran.code == 3
    assert "status 404" in ran.err


def test_a_size_beyond_any_artifact_is_refused(place: Place) -> None:
    stated = document()
    stated["predicate"]["artifacts"][0]["size"] = 2**40
    ran = place.run("--from", place.has, stated=stated)
    assert ran.code == 1
    assert f"artifact firmware.fd: {2**40} (expected at most " in ran.err


@pytest.mark.parametrize("name", ["a/../../b", "a/./b", "a//b", "a/..", "a/"])
def test_a_name_that_leads_elsewhere_is_no_release(place: Place, name: str) -> None:
    text = json.dumps(document()).replace("notes/two", name)
    path = place.root / "statement.json"
    path.write_text(text)
    key = place.root / "key"
    cvm_audit("release", "keygen", "--name", "a.invalid", "-o", key)
    ran = cvm_audit("release", "sign", path, "--key", key, "-o", place.root / "signed.json")
    assert ran.code == 1
    assert "artifacts[3].name" in ran.err
    assert not (place.root / "signed.json").exists()
