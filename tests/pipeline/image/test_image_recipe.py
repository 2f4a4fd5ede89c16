from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.image.assembly import assemble, check_recipe
from pipeline.image.firmware import hash_table_address
from pipeline.image.guest_source import read_source
from pipeline.image.lock import Input, Lock, parse_lock
from pipeline.image.recipe import (
    COMMAND_LINE,
    GUEST_SOURCES,
    INIT_LINE,
    INIT_SOURCE,
    WHEELS,
)
from pipeline.image.taking import leave_out, matching
from pipeline.image.tree import Device, File, Symlink, Tree
from tests.architecture.source import ROOT, imports, modules, within
from tests.ovmf_image import build_ovmf
from tests.pipeline.image.import_closure import loaded_files
from tests.pipeline.image.refusing import refused
from tests.pipeline.image.synthetic_inputs import (
    KERNEL_NAME,
    POLICY,
    deb,
    inputs,
    lock_of,
    packages,
    with_input,
)
from verifier.errors import AuditError, ParseError, PolicyError, VerificationError

MADE = inputs()
SOURCE = {
    **{
        (f"{path}a.py" if path.endswith("/") else path): File(b"", executable=False)
        for path in GUEST_SOURCES
    },
    INIT_SOURCE: File(INIT_LINE + b"pass\n", executable=False),
}


def test_the_guest_gets_the_node_and_what_it_imports_and_nothing_else() -> None:
    named = {path for path in GUEST_SOURCES if not path.endswith("/")}
    loaded = {path for path in loaded_files("pipeline/node") if "/node/" not in path}
    assert named == loaded
    assert [path for path in GUEST_SOURCES if path.endswith("/")] == ["pipeline/node/"]


def test_the_guest_has_the_wheels_that_the_judge_is_tested_with() -> None:
    text = (ROOT / "requirements" / "dev.lock").read_text("utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))
    shared = [name for name, _ in WHEELS if name in pins]
    assert {name: pins[name] for name in shared} == {
        name: version for name, version in WHEELS if name in shared
    }
    assert {"cryptography", "rfc8785"} <= set(shared)


def test_the_lock_of_this_tree_is_of_this_recipe() -> None:
    check_recipe(parse_lock((ROOT / "pipeline" / "image" / "inputs.lock").read_bytes()))


def test_the_builder_needs_python_alone() -> None:
    own = [module for module in modules() if within(module.name, "pipeline.image")]
    foreign = {
        target.split(".")[0]
        for module in own
        for _, target in imports(module)
        if target.split(".")[0] not in {*sys.stdlib_module_names, "pipeline", "verifier"}
    }
    assert len(own) > 10
    assert foreign == set()


def test_the_command_line_keeps_the_mitigations() -> None:
    words = COMMAND_LINE.split(" ")
    assert {"mitigations=auto,nosmt", "lockdown=confidentiality", "panic=-1"} <= set(words)
    assert not any(word.startswith(("init=", "rdinit=", "earlyprintk")) for word in words)


def image_of(made: dict[Input, bytes], lock: Lock | None = None) -> dict[str, object]:
    def read(item: Input) -> bytes:
        return made[item]

    return dict(assemble(lock or lock_of(made), read, source=SOURCE, guest_policy=POLICY).nodes)


def test_the_tree_of_the_guest() -> None:
    nodes = image_of(MADE)
    assert nodes["etc/cvm/guest-policy.json"] == File(POLICY, executable=False)
    assert nodes["init"] == File(INIT_LINE + b"pass\n", executable=True)
    assert nodes["dev/urandom"] == Device(1, 9, "0666")
    assert nodes["lib64"] == Symlink("usr/lib64")
    assert nodes["usr/lib/cvm/modules/03-virtio_net.ko"] == File(
        b"drivers/net/virtio_net", executable=False
    )
    assert nodes["usr/lib/cvm/packages/cffi/__init__.py"] == File(b"cffi", executable=False)
    assert nodes["usr/bin/python3.13"] == File(b"usr/bin/python3.13", executable=True)
    for absent in ("usr/share/doc/x", "usr/lib/python3.13/pdb.py", "usr/lib/python3.13/test/a.py"):
        assert absent not in nodes
    assert not any(path.endswith((".pyc", "/sh")) for path in nodes)


def rejected(name: str, raw: bytes) -> AuditError:
    with pytest.raises(AuditError) as caught:
        image_of(with_input(MADE, name, raw))
    return caught.value


@pytest.mark.parametrize(
    ("path", "content", "what", "expected", "got"),
    [
        (
            "usr/lib/x86_64-linux-gnu/libz.so.1",
            "../../../../etc/passwd",
            "symbolic link usr/lib/x86_64-linux-gnu/libz.so.1",
            "a target inside the tree",
            "'../../../../etc/passwd'",
        ),
        (
            "usr/lib/x86_64-linux-gnu/libz.so.1\nx",
            b"",
            "zlib1g 1.0-1, path",
            "a path inside the tree, of plain characters",
            r"'usr/lib/x86_64-linux-gnu/libz.so.1\nx'",
        ),
    ],
)
def test_a_hostile_package_is_refused_by_its_name(
    path: str, content: bytes | str, what: str, expected: str, got: str
) -> None:
    files = {"usr/lib/x86_64-linux-gnu/libz.so.1.1": b"", path: content}
    error = rejected("zlib1g", deb("zlib1g", files))
    assert type(error) is ParseError
    assert (error.what, error.expected, error.got) == (what, expected, got)


def test_a_package_that_is_cut_off_is_refused_by_its_name() -> None:
    raw = deb("zlib1g", {})
    error = rejected("zlib1g", raw[:-4])
    assert type(error) is ParseError
    assert error.what == "zlib1g 1.0-1, data.tar.xz"
    assert error.got.endswith("it is cut off")


def test_a_file_that_the_recipe_misses_stops_the_build() -> None:
    error = rejected("zlib1g", deb("zlib1g", {"usr/share/doc/x": b""}))
    assert (error.what, error.expected, error.got) == (
        "zlib1g 1.0-1",
        "usr/lib/x86_64-linux-gnu/libz.so.1*",
        "nothing of that name",
    )


def test_two_kernels_in_a_package_are_refused() -> None:
    _, files = packages()[KERNEL_NAME]
    error = rejected(KERNEL_NAME, deb(KERNEL_NAME, {**files, "boot/vmlinuz-7": b""}))
    assert (error.what, error.expected) == (f"{KERNEL_NAME} 1.0-1, boot/vmlinuz-*", "one file")


def test_another_package_under_a_name_is_refused() -> None:
    error = rejected("zlib1g", deb("evil", {}))
    assert type(error) is VerificationError
    assert (error.expected, error.got) == ("zlib1g 1.0-1 amd64", "evil 1.0-1 amd64")


def test_a_pattern_does_not_reach_into_folders() -> None:
    paths = ("a/x.so", "a/b/x.so", "a/c")
    assert matching(paths, "a/x*", what="test") == ("a/x.so",)
    assert matching(paths, "a/", what="test") == paths
    with refused(ParseError, "left out", expected="b/", got="nothing of that name"):
        leave_out(Tree(), ["b/"])


@pytest.mark.parametrize(("role", "name"), [("userland", "zlib1g"), ("wheel", "h11 0.16.0")])
def test_a_lock_of_another_recipe_is_refused(role: str, name: str) -> None:
    lock = lock_of(MADE)
    fewer = Lock(lock.suites, tuple(i for i in lock.inputs if i.name != name.split(maxsplit=1)[0]))
    with refused(
        PolicyError,
        f"inputs.lock, role {role}",
        expected=f"{name} among the inputs",
        got="it is missing",
    ):
        check_recipe(fewer)


def test_an_input_beside_the_recipe_is_refused() -> None:
    lock = lock_of(MADE)
    more = Lock(lock.suites, (*lock.inputs, replace(lock.inputs[0], name="malware")))
    expected, got = "what the recipe names", "malware 2.1.1"
    with refused(PolicyError, "inputs.lock, role wheel", expected=expected, got=got):
        check_recipe(more)


@pytest.mark.parametrize(
    ("source", "what", "expected"),
    [
        ({}, "source", INIT_SOURCE),
        (
            {**SOURCE, INIT_SOURCE: File(b"#!/usr/bin/env python3\n" * 2, executable=True)},
            f"{INIT_SOURCE}, first line",
            repr(INIT_LINE),
        ),
        (
            {path: file for path, file in SOURCE.items() if path != "verifier/errors.py"},
            "source",
            "verifier/errors.py",
        ),
    ],
)
def test_a_source_tree_without_the_guests_program_is_refused(
    source: dict[str, File], what: str, expected: str
) -> None:
    with pytest.raises(ParseError) as caught:
        assemble(lock_of(MADE), MADE.__getitem__, source=source, guest_policy=POLICY)
    assert (caught.value.what, caught.value.expected) == (what, expected)


def test_the_address_of_the_hashes_is_read_from_the_firmware() -> None:
    assert hash_table_address(build_ovmf()) == 0x810C00


@pytest.mark.parametrize("hash_table", [None, (0, 0x400)])
def test_a_firmware_that_checks_no_kernel_is_refused(hash_table: tuple[int, int] | None) -> None:
    with refused(
        ParseError,
        "firmware",
        expected="a table of kernel hashes: an AmdSev build",
        got="a firmware that checks no kernel",
    ):
        hash_table_address(build_ovmf(hash_table=hash_table))


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(4096), build_ovmf()[:-1]])
def test_what_is_no_firmware_is_refused(raw: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        hash_table_address(raw)
    assert (caught.value.what, caught.value.expected) == ("firmware", "an OVMF image")


def test_the_source_is_read_without_links(tmp_path: Path) -> None:
    for name in ("pipeline", "verifier"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_bytes(b"")
    (tmp_path / "pipeline" / "__pycache__").mkdir()
    (tmp_path / "pipeline" / "__pycache__" / "a.pyc").write_bytes(b"")
    assert set(read_source(tmp_path)) == {"pipeline/a.py", "verifier/a.py"}
    (tmp_path / "pipeline" / "b.py").symlink_to("a.py")
    with refused(ParseError, "source pipeline/b.py", expected="a file", got="no regular file"):
        read_source(tmp_path)
