from __future__ import annotations

import hashlib
import uuid

import pytest

from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError
from verifier.measurement.kernel_hashes import (
    HASH_TABLE_SIZE,
    MAX_COMMAND_LINE,
    KernelHashes,
    hash_boot_files,
    kernel_hashes_page,
)

HASHES = KernelHashes(kernel=b"k" * 32, initrd=b"i" * 32, cmdline=b"c" * 32)


def stored(text: str) -> bytes:
    return uuid.UUID(text).bytes_le


def test_the_page_holds_the_table_at_its_place() -> None:
    page = kernel_hashes_page(HASHES, table_gpa=0x810C00)
    entries = (
        stored("97d02dd8-bd20-4c94-aa78-e7714d36ab2a") + b"\x32\x00" + b"c" * 32,
        stored("44baf731-3a2f-4bd7-9af1-41e29169781d") + b"\x32\x00" + b"i" * 32,
        stored("4de79437-abd2-427f-b835-d5b172d2045b") + b"\x32\x00" + b"k" * 32,
    )
    table = stored("9438d606-4f22-4cc9-b479-a793d411fd21") + b"\xa8\x00" + b"".join(entries)
    assert len(table) == 168
    assert page == bytes(0xC00) + table + bytes(4096 - 0xC00 - 168)


def test_the_table_may_end_with_the_page() -> None:
    page = kernel_hashes_page(HASHES, table_gpa=0x811000 - HASH_TABLE_SIZE)
    assert len(page) == 4096
    with pytest.raises(ValueError, match="does not fit at 0x810f51"):
        kernel_hashes_page(HASHES, table_gpa=0x811001 - HASH_TABLE_SIZE)


def test_the_command_line_is_hashed_with_its_nul() -> None:
    hashes = hash_boot_files(kernel=b"kernel", initrd=b"initrd", cmdline=b"quiet")
    assert hashes.kernel == hashlib.sha256(b"kernel").digest()
    assert hashes.initrd == hashlib.sha256(b"initrd").digest()
    assert hashes.cmdline == hashlib.sha256(b"quiet\0").digest()


def test_what_is_not_given_is_hashed_as_empty() -> None:
    absent = hash_boot_files(kernel=b"kernel", initrd=None, cmdline=None)
    assert absent == hash_boot_files(kernel=b"kernel", initrd=b"", cmdline=b"")
    assert absent.initrd == hashlib.sha256(b"").digest()
    assert absent.cmdline == hashlib.sha256(b"\0").digest()


def test_a_command_line_ends_at_its_first_nul() -> None:
    with rejects(ParseError, "kernel command line", expected="no NUL", got="one at byte 5"):
        hash_boot_files(kernel=b"", initrd=None, cmdline=b"quiet\0init=/bin/sh")


def test_a_command_line_has_a_limit() -> None:
    hash_boot_files(kernel=b"", initrd=None, cmdline=b"a" * MAX_COMMAND_LINE)
    expected, got = f"at most {MAX_COMMAND_LINE}", f"{MAX_COMMAND_LINE + 1} bytes"
    with rejects(ParseError, "kernel command line", expected=expected, got=got):
        hash_boot_files(kernel=b"", initrd=None, cmdline=b"a" * (MAX_COMMAND_LINE + 1))


@pytest.mark.parametrize("name", ["kernel", "initrd", "cmdline"])
def test_hashes_have_one_size(name: str) -> None:
    hashes = {"kernel": bytes(32), "initrd": bytes(32), "cmdline": bytes(32)}
    with pytest.raises(ValueError, match="instead of 32"):
        KernelHashes(**(hashes | {name: bytes(31)}))
