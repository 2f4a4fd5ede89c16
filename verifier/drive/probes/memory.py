"""The words of a user, searched for in the memory of the roles while its session is open.

A pass shows that at one moment after an answer no writable memory of relay, gateway, issuer and key
CDN had one of the words, in a spelling of ``canaries`` (nothing is unpacked). It does not show what
was there before and is overwritten, nor what a kernel, a swapped page or another program holds. The
CVM is not searched: its memory is what the attested hardware hides.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from verifier.appraisal.drive.driven import Done, Seen
from verifier.drive.attempt import attempt
from verifier.drive.lab import Lab, LocalRole
from verifier.drive.probes.canaries import Canary, Found, Hay, make_canary
from verifier.drive.probes.canary import send_words
from verifier.drive.probes.watching import without_session_no_finding
from verifier.errors import FetchError, VerificationError
from verifier.tlog.strict import parse_hex

__all__ = ["CHECK", "CHUNK", "Searched", "judge_memory", "probe_memory", "search_memory"]

CHECK = "drive.path.memory"

CHUNK = 16_777_216
"""Bytes of memory that are looked at in one go."""

_PROC = Path("/proc")
_OVERLAP = 256  # bytes; more than any spelling of a mark has


class Searched:
    """What a search of one role's memory came to.

    ``size`` is how many bytes were read. ``knows_itself`` is whether the role's own command line
    was found: the search can find.
    """

    __slots__ = ("found", "knows_itself", "role", "size")

    def __init__(self, role: str) -> None:
        self.role = role
        self.size = 0
        self.found: Found | None = None
        self.knows_itself = False


def probe_memory(lab: Lab) -> Mapping[str, Seen]:
    """Search the roles of this machine; nothing where somebody else runs them."""
    if not lab.roles:
        return {}
    return {CHECK: attempt(lambda: _searched(lab))}


def search_memory(role: LocalRole, canary: Canary, *, proc: Path = _PROC) -> Searched:
    """Search all writable memory of ``role``; ``proc`` is where proc(5) is mounted.

    Raises FetchError where it may not be read, which takes the right to trace that process, where
    it ends meanwhile, and for a role of several processes.
    """
    folder, searched = proc / str(role.pid), Searched(role.name)
    what = f"memory of {role.name}"
    try:
        own = (folder / "cmdline").read_bytes().strip(b"\x00")
        with (folder / "mem").open("rb", buffering=0) as memory:
            for start, end in _writable(folder):
                for address, before, content in _pieces(memory, folder, start, end):
                    _look(searched, canary, own, address - len(before), before + content)
                    searched.size += len(content)
        children = [pid for each in folder.glob("task/*/children") for pid in _children(each)]
    except OSError as error:
        got = error.strerror or type(error).__name__
        hint = "drive as root, who may read the memory of other users' programs"
        raise FetchError(what, expected="to be readable", got=got, hint=hint) from error
    if children and searched.found is None:  # what they hold was not searched
        got = f"{len(children)} more, such as {children[0]}"
        raise FetchError(what, expected="one process", got=got)
    return searched


def judge_memory(searched: list[Searched]) -> str:
    """What was searched, in words.

    Raises VerificationError for the first role whose memory has a word, and FetchError for one in
    which not even its own command line was found.
    """
    for each in searched:
        if each.found is not None:
            expected = "no word of the client, in any spelling"
            raise VerificationError("words of the client", expected=expected, got=str(each.found))
    for each in searched:
        if not each.knows_itself:
            expected, got = "the role's own command line in it", "not found"
            raise FetchError(f"memory of {each.role}", expected=expected, got=got)
    size = sum(each.size for each in searched) // 1_048_576
    names = ", ".join(each.role for each in searched)
    return f"no word that the client sent in {size} MiB of memory of {names}"


def _searched(lab: Lab) -> Done:
    canary = make_canary()
    with lab.new_client() as client:
        with without_session_no_finding():
            send_words(client, canary)
        # Now: the session is open, and the buffers that carried it are not yet used again.
        searched: list[Searched] = []
        for role in lab.roles:
            searched.append(search_memory(role, canary))
            if searched[-1].found is not None:
                break  # that another role cannot be searched must not hide it
    return Done(judge_memory(searched))


def _look(searched: Searched, canary: Canary, own: bytes, offset: int, content: bytes) -> None:
    if searched.found is None:
        found = canary.find_plain(Hay(f"memory of {searched.role}", content))
        if found is not None:
            searched.found = Found(found.place, offset + found.offset, found.spelling)
    searched.knows_itself = searched.knows_itself or (own != b"" and own in content)


def _children(thread: Path) -> list[str]:
    try:
        return thread.read_text("ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return []  # it has ended since it was listed, and children of it are another thread's


def _writable(folder: Path) -> tuple[tuple[int, int], ...]:
    """Start and end of each mapping that can be read and written now (proc_pid_maps(5))."""
    writable = []
    for line in (folder / "maps").read_text("utf-8", "surrogateescape").splitlines():
        addresses, rights, *_ = line.split(" ")
        if rights.startswith("rw"):
            start, _, end = addresses.partition("-")
            writable.append((_address(start), _address(end)))
    return tuple(writable)


def _address(text: str) -> int:
    return int.from_bytes(parse_hex(text.rjust(16, "0"), what="address in maps"), "big")


def _pieces(
    memory: BinaryIO, folder: Path, start: int, end: int
) -> Iterator[tuple[int, bytes, bytes]]:
    """The bytes of a mapping by their address, each piece with the end of the one before it.

    What the program has given back meanwhile is passed over. Raises OSError for what it still has
    and cannot be read, and where it has ended.
    """
    before = b""
    while start < end:
        memory.seek(start)
        try:
            content = memory.read(min(CHUNK, end - start))
        except OSError as error:
            later = [max(first, start) for first, last in _writable(folder) if last > start]
            if error.errno != errno.EIO or start in later:
                raise
            start, before = min((*later, end)), b""
            continue
        if not content:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        yield start, before, content
        before = (before + content)[-_OVERLAP:]
        start += len(content)
