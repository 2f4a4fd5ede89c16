"""The search of other programs' memory, on a program of our own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.verifier.drive.probes.memory_lab import World
from tests.verifier.drive.probes.recorded import fields_of, role
from verifier.drive.lab import LocalRole
from verifier.drive.probes import memory as module
from verifier.drive.probes.canaries import Found, make_canary
from verifier.drive.probes.memory import Searched, judge_memory, probe_memory, search_memory
from verifier.errors import FetchError, VerificationError

CANARY = make_canary()
HOLDER = """
import sys
held = bytearray(sys.stdin.buffer.readline()[:-1])
held.reverse()
print("HELD", flush=True)
sys.stdin.buffer.readline()
"""

PARENT = """
import subprocess
child = subprocess.Popen(["/bin/cat"])
print(child.pid, flush=True)
child.wait()
"""


@contextmanager
def holding(secret: bytes, folder: Path) -> Iterator[LocalRole]:
    """A program that has ``secret`` in its memory."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, "holder"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(secret[::-1] + b"\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"HELD\n"
        try:
            yield role(folder, "holder", child.pid)
        finally:
            child.kill()


@pytest.fixture
def chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 4096)


def test_memory_without_a_word_passes_and_knows_itself(tmp_path: Path) -> None:
    with holding(b"something else", tmp_path) as found:
        searched = search_memory(found, CANARY)
    assert (searched.found, searched.knows_itself) == (None, True)
    assert searched.size > 1_000_000
    assert judge_memory([searched]) == (
        f"no word that the client sent in {searched.size // 1_048_576} MiB of memory of holder"
    )


@pytest.mark.parametrize(
    ("held", "spelling"),
    [
        (CANARY.word().encode(), ("as it is", "backwards")),
        (CANARY.word().encode("utf-16-le"), ("in UTF-16",)),
    ],
)
def test_a_word_in_memory_is_named(tmp_path: Path, held: bytes, spelling: tuple[str, ...]) -> None:
    with holding(held, tmp_path) as found:
        searched = search_memory(found, CANARY)
    with pytest.raises(VerificationError) as caught:
        judge_memory([searched])
    what, expected, got = fields_of(caught)
    assert (what, expected) == ("words of the client", "no word of the client, in any spelling")
    assert got.startswith("memory of holder, offset ")
    assert got.endswith(spelling)


@pytest.mark.usefixtures("chunk")
def test_a_word_across_two_pieces_is_found(tmp_path: Path) -> None:
    with holding(b"-" * 5000 + CANARY.word().encode(), tmp_path) as found:
        assert search_memory(found, CANARY).found is not None


def fake(folder: Path, maps: str, content: bytes, own: bytes = b"role\x00--flag\x00") -> Path:
    """A proc(5) of one process, number 77."""
    place = folder / "77"
    place.mkdir()
    (place / "cmdline").write_bytes(own)
    (place / "maps").write_text(maps)
    (place / "mem").write_bytes(content)
    return folder


def test_only_what_is_writable_is_read_and_addresses_are_those_of_the_program(
    tmp_path: Path, chunk: None
) -> None:
    del chunk
    proc = tmp_path / "proc"
    proc.mkdir()
    word = CANARY.word().encode()
    content = bytearray(0x6000)
    content[0x100 : 0x100 + len(word)] = word  # in the text of the program, which is not searched
    content[0x2FFA : 0x2FFA + len(word)] = word
    content[0x5000:0x500B] = b"role\x00--flag"
    maps = "0-1000 r-xp 00000000 00:00 0 /bin/x\n2000-6000 rw-p 00000000 00:00 0 [heap]\n"
    searched = search_memory(
        role(tmp_path / "r", "relay", 77), CANARY, proc=fake(proc, maps, bytes(content))
    )
    assert searched.found == Found("memory of relay", 0x2FFA, "as it is")
    assert (searched.knows_itself, searched.size) == (True, 0x4000)


Mappings = tuple[tuple[int, int], ...]
NOWHERE = (0x1000, 0x8000)
"""Where no program has anything: its kernel keeps it free (vm.mmap_min_addr)."""


def listed(monkeypatch: pytest.MonkeyPatch, *lists: Mappings) -> None:
    """Let the mappings of a program be others each time that they are listed."""
    told = iter(lists)
    monkeypatch.setattr(module, "_writable", lambda _: next(told))


def test_memory_that_has_gone_meanwhile_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with holding(b"-", tmp_path) as found:
        own = module._writable(Path(f"/proc/{found.pid}"))
        listed(monkeypatch, (NOWHERE, *own), own)
        searched = search_memory(found, CANARY)
    assert (searched.found, searched.knows_itself) == (None, True)
    # What was not read is not said to have been searched.
    assert searched.size == sum(end - start for start, end in own)


@pytest.mark.parametrize("later", [(NOWHERE,), ((0x4000, 0x8000),)])
def test_memory_that_is_still_there_and_cannot_be_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: Mappings
) -> None:
    with holding(b"-", tmp_path) as found:
        listed(monkeypatch, (NOWHERE,), later, later)
        with pytest.raises(FetchError) as caught:
            search_memory(found, CANARY)
    assert fields_of(caught) == ("memory of holder", "to be readable", "Input/output error")


def test_a_role_that_has_ended_shows_nothing(tmp_path: Path) -> None:
    maps = "0-1000 rw-p 00000000 00:00 0\n8000-9000 rw-p 00000000 00:00 0\n"
    content = b"role\x00--flag".ljust(0x1000, b"\x00")
    with pytest.raises(FetchError) as caught:
        search_memory(role(tmp_path / "r", "relay", 77), CANARY, proc=fake(tmp_path, maps, content))
    assert fields_of(caught) == ("memory of relay", "to be readable", "No such process")


def test_a_role_of_several_processes_is_not_searched_by_one_of_them(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = parent.stdout.readline().decode().strip()
        with pytest.raises(FetchError) as caught:
            search_memory(role(tmp_path, "relay", parent.pid), CANARY)
        assert parent.stdin is not None
        parent.stdin.close()
    assert fields_of(caught) == ("memory of relay", "one process", f"1 more, such as {child}")


def test_a_search_that_does_not_even_find_the_role_shows_nothing() -> None:
    with pytest.raises(FetchError) as caught:
        judge_memory([Searched("relay")])
    assert fields_of(caught) == (
        "memory of relay",
        "the role's own command line in it",
        "not found",
    )


def test_memory_that_may_not_be_read_is_the_weather(tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        search_memory(role(tmp_path / "r", "relay", 77), CANARY, proc=tmp_path)
    assert fields_of(caught) == (
        "memory of relay",
        "to be readable",
        "No such file or directory",
    )
    assert caught.value.hint == "drive as root, who may read the memory of other users' programs"


def test_nothing_is_seen_where_no_role_runs() -> None:
    assert probe_memory(World().lab()) == {}
