"""``release prepare``: from the folder of a build to a statement that can be published."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.making import changed
from tests.ovmf_image import build_ovmf
from tests.running import Ran, cvm_audit

FILES = {
    "command-line.txt": ("command-line", b"console=ttyS0 quiet"),
    "firmware.fd": ("firmware", build_ovmf()),
    "guest-policy.json": ("guest-policy", b'{"role": "summariser"}'),
    "initrd.bin": ("initrd", b"initrd" * 50),
    "kernel.bin": ("kernel", b"kernel" * 50),
    "kernel-config.txt": ("kernel-config", b"CONFIG_PCI=y\n"),
    "sbom.json": ("sbom", b"{}"),
}
FLOOR = "Milan:bootloader=4,tee=0,snp=24,microcode=219"
OPTIONS: dict[str, Any] = {
    "--product": "reference-cvm",
    "--version": "1.0.0",
    "--security-version": 3,
    "--not-after": "2027-11-21T00:00:00Z",
    "--vcpus": "1,2",
    "--types": "EPYC-v4,EPYC-Milan",
    "--minimum-tcb": FLOOR,
}


class Image:
    """The folder of a build, and what is prepared from it."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "image"
        self.output = root / "statement.json"
        self.folder.mkdir()
        for name, (_, raw) in FILES.items():
            (self.folder / name).write_bytes(raw)
        self.manifest: dict[str, Any] = {
            "schema": "cvm-audit/image-manifest/v1",
            "recipe": "reference-cvm/1",
            "sourceSha256": "aa" * 32,
            "lockSha256": "bb" * 32,
            "artifacts": [
                {
                    "name": name,
                    "role": role,
                    "size": len(raw),
                    "sha256": sha256(raw).hexdigest(),
                }
                for name, (role, raw) in FILES.items()
            ],
        }

    def prepare(self, *more: object, **options: object) -> Ran:
        (self.folder / "manifest.json").write_text(json.dumps(self.manifest))
        given = OPTIONS | {f"--{name.replace('_', '-')}": value for name, value in options.items()}
        flags = [
            part for name, value in given.items() if value is not ... for part in (name, value)
        ]
        return cvm_audit("release", "prepare", self.folder, "-o", self.output, *flags, *more)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


def test_a_statement_is_prepared_and_can_be_signed(image: Image) -> None:
    ran = image.prepare("--location", "https://a.invalid/v1/", "--location", "http://b.invalid")
    assert ran.code == 0, ran.err
    assert "reference-cvm 1.0.0, 8 artifacts, 4 measurements" in ran.err
    stated = json.loads(image.output.read_bytes())
    predicate = stated["predicate"]
    assert {item["name"]: item["digest"]["sha256"] for item in stated["subject"]} == {
        path.name: sha256(path.read_bytes()).hexdigest() for path in image.folder.iterdir()
    }
    roles = {item["name"]: item["role"] for item in predicate["artifacts"]}
    assert roles == {name: role for name, (role, _) in FILES.items()} | {
        "manifest.json": "image-manifest"
    }
    for item in predicate["artifacts"]:
        assert item["size"] == (image.folder / item["name"]).stat().st_size
        assert item["locations"] == [
            f"https://a.invalid/v1/{item['name']}",
            f"http://b.invalid/{item['name']}",
        ]
    assert predicate["role"] == "summariser"
    assert (predicate["version"], predicate["securityVersion"]) == ("1.0.0", 3)
    assert predicate["build"] == {
        "recipe": "reference-cvm/1",
        "sourceSha256": "aa" * 32,
        "lockSha256": "bb" * 32,
    }
    assert predicate["expectedEvidence"] == {
        "tees": ["sev-snp"],
        "gpus": [],
        "vmpls": [0],
        "guestPolicy": {"debug": False, "migrateMa": False},
        "minimumTcb": {"Milan": {"bootloader": 4, "tee": 0, "snp": 24, "microcode": 219}},
    }
    key, signed = image.output.with_name("key"), image.output.with_name("signed.json")
    cvm_audit("release", "keygen", "--name", "a.invalid", "-o", key)
    assert cvm_audit("release", "sign", image.output, "--key", key, "-o", signed).code == 0
    assert "reference-cvm" in cvm_audit("release", "show", signed).out


def test_the_measurements_are_those_of_the_files(image: Image) -> None:
    assert image.prepare(vmms="qemu,ec2", guest_features="0x1,0x21").code == 0
    rows = json.loads(image.output.read_bytes())["predicate"]["measurements"]
    files = {
        f"--{name}": image.folder / path
        for name, path in (
            ("firmware", "firmware.fd"),
            ("kernel", "kernel.bin"),
            ("initrd", "initrd.bin"),
        )
    }
    launch = [part for pair in files.items() for part in pair]
    launch += ["--cmdline", FILES["command-line.txt"][1].decode()]
    matrix = image.output.with_name("matrix.json")
    lists = ("--vcpus", "1,2", "--types", "EPYC-v4,EPYC-Milan")
    more = ("--vmms", "qemu,ec2", "--guest-features", "0x1,0x21")
    assert cvm_audit("measure", "matrix", *launch, *lists, *more, "-o", matrix).code == 0
    assert rows == json.loads(matrix.read_bytes())["measurements"]
    assert len(rows) == 12


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_the_manifest_does_not_speak_of_is_refused(image: Image, name: str) -> None:
    (image.folder / name).write_bytes(FILES[name][1] + b"!")
    ran = image.prepare()
    assert ran.code == 1
    assert f"{image.folder}/{name}: {len(FILES[name][1]) + 1} bytes, sha256 " in ran.err
    assert ", as manifest.json says" in ran.err
    assert not image.output.exists()


def test_a_size_that_the_manifest_has_wrong_is_refused(image: Image) -> None:
    image.manifest = changed(image.manifest, "artifacts/0/size", 1)
    ran = image.prepare()
    assert (ran.code, "(expected 1 bytes, sha256 " in ran.err) == (1, True)


def test_a_file_that_is_gone_is_named(image: Image) -> None:
    (image.folder / "sbom.json").unlink()
    ran = image.prepare()
    assert ran.code == 2
    assert f"{image.folder}/sbom.json: No such file or directory" in ran.err


def test_two_artifacts_of_a_role_are_refused(image: Image) -> None:
    image.manifest = changed(image.manifest, "artifacts/6/role", "kernel")
    ran = image.prepare()
    assert (ran.code, "two of one (expected one artifact of each role)" in ran.err) == (1, True)


@pytest.mark.parametrize("role", ["firmware", "kernel", "initrd", "command-line"])
def test_an_image_that_cannot_be_measured_is_refused(image: Image, role: str) -> None:
    listed = [each for each in image.manifest["artifacts"] if each["role"] != role]
    image.manifest["artifacts"] = listed
    ran = image.prepare()
    assert ran.code == 1
    assert f"none (expected an artifact of the role {role})" in ran.err


def test_without_a_guest_policy_the_role_has_to_be_said(image: Image) -> None:
    listed = [each for each in image.manifest["artifacts"] if each["role"] != "guest-policy"]
    image.manifest["artifacts"] = listed
    ran = image.prepare()
    assert (ran.code, "--role is needed" in ran.err) == (2, True)
    assert image.prepare(role="guard").code == 0
    assert json.loads(image.output.read_bytes())["predicate"]["role"] == "guard"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("not_after", "tomorrow", "--not-after"),
        ("not_after", "2027-11-21T00:00:00+01:00", "--not-after"),
        ("security_version", -1, "--security-version"),
        ("minimum_tcb", "Rome:snp=1", "'Rome:snp=1' is not Milan:bootloader=N,"),
        ("minimum_tcb", FLOOR + ",fmc=1", "is not Milan:bootloader=N,"),
        ("minimum_tcb", FLOOR + ",snp=1", "is not Milan:bootloader=N,"),
        ("minimum_tcb", FLOOR.replace("24", "256"), "snp: 256 (expected a decimal up to 255)"),
        ("minimum_tcb", FLOOR.replace("24", "x"), "snp: 'x'"),
        ("minimum_tcb", ..., "Missing option '--minimum-tcb'"),
        ("location", "ftp://a.invalid", "is no URL of http or https"),
        ("types", "i486", "--types: 'i486'"),
        ("types", "", "--types goes with the VMM qemu"),
        ("vcpus", "0", "--vcpus: 0"),
        ("guest_features", "0x2", "--guest-features needs bit 0"),
        ("vcpus", ",".join(map(str, range(1, 513))), "1024"),
    ],
)
def test_options_that_make_no_release(image: Image, name: str, value: Any, words: str) -> None:
    options = {name: value}
    if name == "vcpus" and len(value) > 1:
        options |= {"types": "EPYC-v4,EPYC-Milan,EPYC-Genoa"}
    ran = image.prepare(**options)
    assert (ran.code, words in ran.err) == (2, True), ran.err
    assert not image.output.exists()


def test_a_floor_once_a_product_line(image: Image) -> None:
    ran = image.prepare("--minimum-tcb", FLOOR)
    assert (ran.code, "one for each product line" in ran.err) == (2, True)
    ran = image.prepare("--minimum-tcb", "Turin:fmc=1,bootloader=1,tee=0,snp=1,microcode=2")
    assert ran.code == 0
    floors = json.loads(image.output.read_bytes())["predicate"]["expectedEvidence"]["minimumTcb"]
    assert floors["Turin"] == {"fmc": 1, "bootloader": 1, "tee": 0, "snp": 1, "microcode": 2}


def test_what_no_judge_could_read_is_not_written(image: Image) -> None:
    ran = image.prepare(version="1.0 beta")
    assert (ran.code, "predicate.version" in ran.err) == (1, True)
    assert not image.output.exists()


def test_a_statement_is_not_written_over(image: Image) -> None:
    assert image.prepare().code == 0
    assert image.prepare().code == 2
