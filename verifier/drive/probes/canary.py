"""The words of a user, searched for everywhere outside of the client and the CVM.

A client sends random words in every kind of request; then whatever each hop carried, and whatever
each role wrote, is searched for them. What the roles wrote is also searched for the sealed bytes
that they carried: a role keeps counts, and nothing that could be opened later. A pass shows that
the words stood nowhere in the open, in none of the spellings of ``canaries``, also not on the
console of a CVM, and that no role wrote down the bytes of a message where they are looked for
(``excerpts``). It does not show that nobody else recorded them, that a role did not send something
elsewhere (only the hops of the path are tapped), or that the CVM kept nothing (``restart``,
``stateless``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from verifier.appraisal.drive.driven import Done, Seen
from verifier.client.client import AttestedClient
from verifier.drive.attempt import attempt
from verifier.drive.lab import CVM_HOPS, Lab, LocalRole
from verifier.drive.probes.canaries import Canary, Hay, encodings, make_canary
from verifier.drive.probes.exchanges import read_exchanges
from verifier.drive.probes.watching import Watch, require_traffic, without_session_no_finding
from verifier.drive.tap import Direction, Recording
from verifier.drive.tied import FILE_LIMIT
from verifier.errors import FetchError, VerificationError
from verifier.wire.service import STYLES

__all__ = [
    "CHECK",
    "EXCERPT",
    "MAX_FILE",
    "excerpts",
    "hay_of_consoles",
    "hay_of_recordings",
    "hay_of_role",
    "judge_hay",
    "judge_kept",
    "probe_canary",
    "send_words",
]

CHECK = "drive.path.canary"

EXCERPT = slice(11, 35)
"""Which bytes of a message ``excerpts`` takes."""

MAX_FILE = FILE_LIMIT - 1
"""Most bytes of a file of a role, and of a console. A longer one may be cut, because nothing writes
beyond ``FILE_LIMIT``: in such a one nothing can be said to be absent."""

_SEALED_HOPS = ("client-issuer", "client-relay", "relay-gateway", *CVM_HOPS)


def probe_canary(lab: Lab) -> Mapping[str, Seen]:
    """Send words and search for them; nothing where the path is not watched, or has no roles."""
    if not lab.is_watched or not lab.roles:
        return {}
    return {CHECK: attempt(lambda: _searched(lab))}


def send_words(client: AttestedClient, canary: Canary) -> int:
    """Send words of ``canary`` in each kind of request; how many answers had one in them.

    Raises what the client raises, and FetchError if no answer had one: then nobody has read them,
    and that they are nowhere says nothing.
    """
    answers = [
        *client.summarise(
            (
                ("Anna", f"The parcel lies in locker {canary.word()}."),
                (canary.word(), f"Who brings {canary.word()} to the station tomorrow?"),
            ),
            sentences=2,
        )
    ]
    for style in STYLES:
        answers += client.rewrite(
            f"i dont know if {canary.word()} is definately ready", style=style
        )
    told = (("Anna", f"The key lies under stone {canary.word()}."),)
    answers.append(client.chat("Where does the key lie?", messages=told))
    holding = sum(canary.is_in(answer) for answer in answers)
    if holding == 0:
        got = f"none in {len(answers)}"
        raise FetchError("answers to the canary", expected="its words in some", got=got)
    return holding


def judge_hay(canary: Canary, hay: Iterable[Hay]) -> int:
    """How many bytes were searched. Raises VerificationError for the first place with a word."""
    searched = 0
    for each in hay:
        found = canary.find(each)
        if found is not None:
            expected = "no word of the client, in any spelling"
            raise VerificationError("words of the client", expected=expected, got=str(found))
        searched += len(each.content)
    return searched


def hay_of_recordings(hop: str, recordings: Sequence[Recording]) -> Iterator[Hay]:
    """Every byte of a hop, in both directions."""
    for number, recording in enumerate(recordings):
        for direction in Direction:
            place = f"{hop}, connection {number}, {direction}"
            yield Hay(place, recording.content(direction))


def hay_of_role(role: LocalRole) -> Iterator[Hay]:
    """Every file of a role, and the names of them. Raises FetchError for one it cannot read."""
    paths = {role.log, *_files(role)}
    for path in sorted(paths):
        name = path.relative_to(role.directory) if path.is_relative_to(role.directory) else path
        yield Hay(f"{role.name}: file {name}", _read(path))
    yield Hay(
        f"{role.name}: names of files", b"\n".join(os.fsencode(path) for path in sorted(paths))
    )


def hay_of_consoles(lab: Lab) -> Iterator[Hay]:
    """What each CVM has shown its host. Raises FetchError for a file that it cannot read."""
    for number, path in enumerate(lab.consoles()):
        yield Hay(f"console of CVM {number}", _read(path))


def excerpts(hop: str, recordings: Sequence[Recording]) -> Iterator[Hay]:
    """Bytes that are random in each message of a hop, to know the message by where it was kept.

    Of an encapsulated request they are in its ephemeral key, of a token request or response in the
    blinded number, of a TLS connection in the random of a hello, or in what is encrypted.
    """
    if hop in CVM_HOPS:
        streams = [piece.content for each in recordings for piece in each.pieces]
    else:
        exchanges = read_exchanges(recordings, what=hop)
        asked = [each for each in exchanges if each.request.body]
        streams = [part.body for each in asked for part in (each.request, each.answer)]
    for stream in streams:
        excerpt = stream[EXCERPT]
        if len(excerpt) == EXCERPT.stop - EXCERPT.start:
            yield Hay(hop, excerpt)


def judge_kept(passed: Sequence[Hay], files: Sequence[Hay]) -> int:
    """How many messages were looked for in the ``files`` of the roles.

    ``passed`` are excerpts of what was carried. Raises VerificationError for the first that a role
    has written down.
    """
    for message in passed:
        for spelling, needle in encodings(message.content).items():
            for file in files:
                offset = file.content.find(needle)
                if offset >= 0:
                    got = f"{file.place}, offset {offset}: bytes of {message.place}, {spelling}"
                    expected = "nothing of what a role carried"
                    raise VerificationError("what a role wrote", expected=expected, got=got)
    return len(passed)


def _searched(lab: Lab) -> Done:
    canary, watch = make_canary(), Watch(lab)
    with lab.new_client() as client, without_session_no_finding():
        holding = send_words(client, canary)
    require_traffic({hop: watch.seen(hop) for hop in _SEALED_HOPS if hop not in CVM_HOPS})
    require_traffic({"gateway-cvm": [each for hop in CVM_HOPS for each in watch.seen(hop)]})
    carried = judge_hay(
        canary,
        (hay for hop, tap in lab.taps.items() for hay in hay_of_recordings(hop, tap.recordings())),
    )
    files = [hay for role in lab.roles for hay in hay_of_role(role)]
    written = judge_hay(canary, files)
    passed = [each for hop in _SEALED_HOPS for each in excerpts(hop, watch.seen(hop))]
    kept = judge_kept(passed, files)
    shown = judge_hay(canary, hay_of_consoles(lab))
    return Done(
        f"no word that the client sent in {carried} bytes of {len(lab.taps)} hops and {written} "
        f"bytes of files of {len(lab.roles)} roles, which have none of {kept} messages, and "
        f"{shown} bytes of consoles of CVMs; {holding} answers had one"
    )


def _files(role: LocalRole) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise _unreadable(role.directory, error) from error

    for folder, _, names in os.walk(role.directory, onerror=refuse):
        for name in names:
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(content) > MAX_FILE:
        raise FetchError(str(path), expected=f"at most {MAX_FILE} bytes", got="more")
    return content


def _unreadable(path: Path, error: OSError) -> FetchError:
    got = error.strerror or type(error).__name__
    hint = "the roles may be other users: drive as root, or start them as yourself"
    return FetchError(str(path), expected="a file of a role", got=got, hint=hint)
