from __future__ import annotations

import json

import pytest

from tests.archives import FILE, FOLDER, LINK, archive, record, tree
from verifier.appraisal.comparison.artifact_difference import (
    MAX_DIFFERENCES,
    artifact_differences,
)
from verifier.appraisal.comparison.difference import Difference, first_difference
from verifier.appraisal.comparison.kernel_configuration import kernel_options
from verifier.appraisal.rebuild.artifact_checks import Told
from verifier.errors import ParseError
from verifier.report.difference_page import render_differences

ELF = b"\x7fELF" + bytes(300)


def first(role: str, released: bytes, built: bytes) -> Difference:
    return artifact_differences(role, released=released, built=built)[0]


def changed(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 0xFF]) + raw[place + 1 :]


@pytest.mark.parametrize("place", [0, 15, 16, 100, 302])
def test_the_first_byte_is_named(place: int) -> None:
    found = first("firmware", ELF, changed(ELF[:-1] + b"\1", place))
    assert found.place == f"byte {place} ({place:#x})"
    assert found.expected == f"{ELF[place]:#04x} of 304 bytes"
    assert found.got == f"{ELF[place] ^ 0xFF:#04x} of 304 bytes"
    (row,) = [row for row in found.rows if row[0] == f"{place // 16 * 16:08x}"]
    assert row[1] != row[2]


def test_a_far_byte_is_found_in_a_later_part() -> None:
    raw = bytes(200_000)
    assert first("firmware", raw, changed(raw, 150_001)).place == "byte 150001 (0x249f1)"


def test_a_longer_file() -> None:
    found = first("firmware", ELF, ELF + b"\0")
    assert (found.expected, found.got) == ("the end, of 304 bytes", "0x00 of 305 bytes")


def test_equal_files_have_no_difference() -> None:
    assert first_difference(ELF, ELF) is None
    assert artifact_differences("initrd", released=ELF, built=ELF) == ()


def test_a_line_is_named_and_a_long_one_shown_where_it_differs() -> None:
    found = first("command-line", b"a\nb\nc", b"a\nB\nc")
    assert (found.place, found.expected, found.got) == ("line 2", "'b'", "'B'")
    assert found.rows == (
        ("line 1", "'a'", "'a'"),
        ("line 2", "'b'", "'B'"),
        ("line 3", "'c'", "'c'"),
    )
    found = first("command-line", b"x" * 500 + b"=1", b"x" * 500 + b"=2")
    assert found.expected == "…'" + "x" * 19 + "=1'"
    assert found.got.endswith("=2'")
    found = first("command-line", b"a", b"a\n")
    assert (found.place, found.expected, found.got) == ("line 2", "(no such line)", "''")
    assert first("command-line", b"a\n", b"a\r\n").got == r"'a\r'"


BASE = {
    "init": (FILE | 0o111, b"#!/usr/bin/python\nprint(1)\n"),
    "etc/policy": b"{}",
    "lib/tool.so": ELF,
    "link": (LINK, b"etc/policy"),
}


@pytest.mark.parametrize(
    ("change", "place", "expected", "got"),
    [
        ({"init": (FILE, BASE["init"][1])}, "init: header field mode", "0755", "0644"),
        (
            {"init": (FILE | 0o111, b"#!/usr/bin/python\nprint(2)\n")},
            "init: line 2",
            "'print(1)'",
            "'print(2)'",
        ),
        (
            {"lib/tool.so": changed(ELF, 17)},
            "lib/tool.so: byte 17 (0x11)",
            "0x00 of 304 bytes",
            "0xff of 304 bytes",
        ),
        ({"link": (LINK, b"init")}, "link: target of the link", "etc/policy", "init"),
        ({"link": b"x"}, "link: header field kind", "symbolic link", "file"),
        ({"etc/policy": (FILE, b"{}", {"uid": 7})}, "etc/policy: header field uid", "0", "7"),
        ({"etc/policy": (FILE, b"{}", {"mtime": 9})}, "etc/policy: header field mtime", "0", "9"),
        ({"etc/policy": (FILE, b"{}", {"ino": 3})}, "etc/policy: header field ino", "0", "3"),
        ({"sh": (FILE | 0o111, b"x")}, "sh", "no such path", "a file of 1 bytes, mode 0755"),
    ],
)
def test_the_place_in_an_initrd(
    change: dict[str, object], place: str, expected: str, got: str
) -> None:
    found = first("initrd", tree(BASE), tree({**BASE, **change}))
    assert (found.place, found.expected, found.got) == (place, expected, got)


def test_a_path_that_is_gone_and_another_order() -> None:
    less = {name: value for name, value in BASE.items() if name != "etc/policy"}
    found = artifact_differences("initrd", released=tree(BASE), built=tree(less))
    assert [item.place for item in found] == ["etc", "etc/policy"]
    assert found[1].expected == "a file of 2 bytes, mode 0644"
    x, y = record("x"), record("y")
    found = artifact_differences("initrd", released=archive(x, y), built=archive(y, x))
    assert [str(item) for item in found] == ["entry 1 of 2: y (released: x)"]


def test_an_initrd_that_cannot_be_read_is_told_by_its_bytes() -> None:
    found = artifact_differences("initrd", released=tree(BASE), built=b"\x28\xb5\x2f\xfd")
    assert found[0].place == "one of the two cannot be read"
    assert found[1].place == "byte 0 (0x0)"


def test_a_difference_in_the_padding_alone() -> None:
    found = first("initrd", tree(BASE), tree(BASE) + bytes(4))
    assert found.got.endswith(f"of {len(tree(BASE)) + 4} bytes")


def test_differences_are_limited() -> None:
    built = tree(BASE | {f"x{number}": b"" for number in range(MAX_DIFFERENCES + 5)})
    found = artifact_differences("initrd", released=tree(BASE), built=built)
    assert len(found) == MAX_DIFFERENCES


SBOM = {"components": [{"name": "libc6", "version": "2.41"}, {"name": "zlib", "version": "1.3"}]}


@pytest.mark.parametrize(
    ("built", "words"),
    [
        (
            {"components": [{"name": "libc6", "version": "2.42"}, SBOM["components"][1]]},
            'components[libc6].version: "2.42" (released: "2.41")',
        ),
        ({"components": SBOM["components"][1:]}, "components[libc6]: no such member"),
        ({"components": SBOM["components"][::-1]}, "components (order): "),
        ({**SBOM, "extra": [1]}, "extra: [1] (released: no such member)"),
        ({"components": "none"}, 'components: "none" (released: ['),
        ([SBOM], 'document: [{"components"'),
    ],
)
def test_the_member_of_a_document(built: object, words: str) -> None:
    found = first("sbom", json.dumps(SBOM).encode(), json.dumps(built).encode())
    assert str(found).startswith(words), str(found)


def test_a_document_in_another_spelling() -> None:
    found = first("sbom", b'{"a":1}', b'{"a": 1}')
    assert found.place == "byte 5 (0x5)"


def test_a_list_without_names_is_told_by_number() -> None:
    found = first("image-manifest", b'{"a":[1,2]}', b'{"a":[1,3]}')
    assert str(found) == "a[1]: 3 (released: 2)"


def test_the_header_field_of_a_kernel() -> None:
    kernel = bytes(0x300)
    found = first("kernel", kernel, changed(kernel, 0x206))
    assert found.place == "header field protocol version at 0x206"
    assert (found.expected, found.got) == ("00 00", "ff 00")
    assert first("kernel", kernel, changed(kernel, 0x2FF)).place == "byte 767 (0x2ff)"


def test_the_page_shows_both_sides_and_escapes() -> None:
    built = tree(BASE | {"lib/tool.so": changed(ELF, 17), "init": b"\x1b[2Jx"})
    told = Told(
        name="initrd.bin",
        left="released",
        right="rebuilt",
        left_bytes=tree(BASE),
        right_bytes=built,
        differences=artifact_differences("initrd", released=tree(BASE), built=built),
    )
    page = render_differences((told,))
    assert page.startswith("initrd.bin: released | rebuilt\n  init: header field mode\n")
    assert "  lib/tool.so: byte 17 (0x11)\n    released: 0x00 of 304 bytes\n" in page
    assert "\x1b" not in page
    single = Told(
        name="tool.so",
        left="released",
        right="rebuilt",
        left_bytes=ELF,
        right_bytes=changed(ELF, 17),
        differences=artifact_differences("firmware", released=ELF, built=changed(ELF, 17)),
    )
    rows = render_differences((single,)).splitlines()
    assert [row[:12] for row in rows[4:]] == [
        "    00000000",
        "  ! 00000010",
        "    00000020",
        "    00000030",
    ]
    assert "|.E" not in rows[5]


def test_a_folder_of_another_kind() -> None:
    found = first("initrd", archive(record("a", mode=FOLDER)), archive(record("a")))
    assert str(found) == "a: header field kind: file (released: directory)"


CONFIGURATION = b"""\
#
# Automatically generated file; DO NOT EDIT.
#
CONFIG_PCI=y
# CONFIG_DEVMEM is not set
CONFIG_TSM_REPORTS=m
CONFIG_PHYSICAL_START=0x1000000
CONFIG_CMDLINE="quiet panic=-1"
"""


def test_the_options_of_a_kernel_configuration() -> None:
    built = CONFIGURATION.replace(b"# CONFIG_DEVMEM is not set", b"CONFIG_DEVMEM=y")
    built = built.replace(b"=0x1000000\n", b"=0x2000000\nCONFIG_IPV6=y\n")
    found = artifact_differences("kernel-config", released=CONFIGURATION, built=built)
    assert list(map(str, found)) == [
        'DEVMEM: "y" (released: "n")',
        'PHYSICAL_START: "0x2000000" (released: "0x1000000")',
        'IPV6: "y" (released: no such member)',
    ]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (CONFIGURATION + b"export X\n", "line 9: 'export X' (expected CONFIG_NAME=VALUE)"),
        (CONFIGURATION + b"CONFIG_PCI=n\n", "line 9: PCI twice (expected each option once)"),
        (CONFIGURATION + b"# CONFIG_PCI is not set\n", "line 9: PCI twice"),
        (b"#" * (4 * 1024 * 1024 + 1), "more (expected at most 4194304 bytes)"),
        (CONFIGURATION + b"\xff", "kernel configuration"),
    ],
)
def test_what_is_no_kernel_configuration_is_told_by_its_lines(changed: bytes, words: str) -> None:
    with pytest.raises(ParseError) as caught:
        kernel_options(changed)
    assert words in str(caught.value)
    found = artifact_differences("kernel-config", released=CONFIGURATION, built=changed)
    assert found[0].place == "one of the two cannot be read"
    assert words in found[0].got
    assert len(found) == 2


def test_a_comment_of_a_kernel_configuration_is_told_by_its_byte() -> None:
    built = CONFIGURATION.replace(b"DO NOT EDIT", b"DO NOT READ")
    (found,) = artifact_differences("kernel-config", released=CONFIGURATION, built=built)
    assert found.place.startswith("byte ")
