"""What a length says: which bucket a message is in, and nothing more.

One session asks for the same with texts of several lengths of one bucket, and with a long one.
Beyond the client the sizes must be equal for the first ones, on every hop, and each encapsulated
message must have a size that the format allows; the long one must differ, or nothing was measured.

A pass does not show that another kind of request, or a text that just crosses a border, cannot be
told. How many messages an answer comes in depends on when the CVM pauses; so all is asked up to
``ROUNDS`` times, and one sequence of sizes that all lengths have is enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verifier.appraisal.drive.driven import Done, Seen
from verifier.client.client import AttestedClient
from verifier.drive.attempt import attempt
from verifier.drive.lab import CVM_HOPS, Lab
from verifier.drive.probes.exchanges import Exchange, read_exchanges
from verifier.drive.probes.watching import Watch, without_session_no_finding
from verifier.drive.tap import Direction
from verifier.errors import FetchError, VerificationError
from verifier.wire.tunnel import BUCKETS

__all__ = [
    "ANSWER_OVERHEAD",
    "CHECK",
    "LENGTHS",
    "LONG",
    "REQUEST_OVERHEAD",
    "ROUNDS",
    "Measure",
    "Sizes",
    "judge_lengths",
    "probe_length_buckets",
]

CHECK = "drive.path.length_buckets"

LENGTHS = (40, 300, 700)
"""Letters of texts whose sealed requests are all of 2 KiB, and the answers of 1 KiB."""

LONG = 3000
"""Letters of a text of other buckets."""

ROUNDS = 5
"""How often all is asked, at most."""

REQUEST_OVERHEAD = 7 + 32 + 16
"""Bytes that encapsulation adds to a request: header, X25519 key, tag (RFC 9458 section 4.3)."""

ANSWER_OVERHEAD = 16 + 16
"""Bytes that it adds to an answer: nonce of AES-128-GCM's key size, tag (section 4.4)."""

_ENCAPSULATED = ("client-relay", "relay-gateway")

Sizes = tuple[tuple[int, int], ...]
"""Bytes there and back of each exchange, in their order."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One request with a text of ``length`` letters.

    ``hops`` are the sizes of the bodies there and back, by hop; ``carried`` how many bytes went
    between gateway and CVM, there and back.
    """

    length: int
    hops: Mapping[str, Sizes]
    carried: tuple[int, int]


def probe_length_buckets(lab: Lab) -> Mapping[str, Seen]:
    """Ask with texts of several lengths; nothing where the hops are not watched."""
    if not lab.is_watched:
        return {}
    return {CHECK: attempt(lambda: _measured(lab))}


def judge_lengths(measures: Sequence[Measure], *, long: int) -> str:
    """The sizes that all lengths but ``long`` have, in words.

    Raises VerificationError for a size that the format does not have, and for a length that can be
    told from the others; FetchError if not even ``long`` can.
    """
    for measure in measures:
        for hop, sizes in measure.hops.items():
            _require_allowed(hop, sizes)
    alike = [measure for measure in measures if measure.length != long]
    other = [measure for measure in measures if measure.length == long]
    said = []
    for hop in _ENCAPSULATED:
        common = _shared(hop, alike, [measure.hops[hop] for measure in alike])
        _require_other(hop, common, {measure.hops[hop] for measure in other})
        said.append(f"{hop} {_shown(min(common, key=len))}")
    totals = {measure.carried for measure in alike}
    if len(totals) != 1:
        expected, got = "one size for all texts of a bucket", _by_length(alike)
        raise VerificationError("bytes on gateway-cvm", expected=expected, got=got)
    _require_other("gateway-cvm", totals, {measure.carried for measure in other})
    return ", ".join((*said, f"gateway-cvm {_shown(tuple(totals))}"))


def _measured(lab: Lab) -> Done:
    measures: list[Measure] = []
    watch = Watch(lab)
    with without_session_no_finding(), lab.new_client() as client:
        client.connect()
        for number in range(1, ROUNDS + 1):
            measures += [_measure(lab, watch, client, length) for length in (*LENGTHS, LONG)]
            if number == ROUNDS or _is_alike(measures):
                break
    lengths = ", ".join(map(str, LENGTHS))
    sizes = judge_lengths(measures, long=LONG)
    return Done(
        f"texts of {lengths} letters all are, there and back: {sizes}; one of {LONG} is not"
    )


def _measure(lab: Lab, session: Watch, client: AttestedClient, length: int) -> Measure:
    watch, before = Watch(lab), _carried(session)
    client.rewrite(_text(length), style="proofread")
    hops = {hop: _sizes(read_exchanges(watch.seen(hop), what=hop)) for hop in _ENCAPSULATED}
    after = _carried(session)
    return Measure(length, hops, (after[0] - before[0], after[1] - before[1]))


def _carried(session: Watch) -> tuple[int, int]:
    recordings = [each for hop in CVM_HOPS for each in session.seen(hop)]
    there, back = (sum(len(each.content(way)) for each in recordings) for way in Direction)
    return there, back


def _text(length: int) -> str:
    # A misspelt word gives every text one suggestion of nearly its own length.
    return ("teh train is late today and " * (length // 28 + 1))[:length]


def _sizes(exchanges: Sequence[Exchange]) -> Sizes:
    return tuple((len(each.request.body), len(each.answer.body)) for each in exchanges)


def _is_alike(measures: Sequence[Measure]) -> bool:
    alike = [measure for measure in measures if measure.length != LONG]
    return all(_sequences(alike, hop) for hop in _ENCAPSULATED)


def _sequences(measures: Sequence[Measure], hop: str) -> set[Sizes]:
    """The sequences of sizes that every length has had."""
    by_length: dict[int, set[Sizes]] = {}
    for measure in measures:
        by_length.setdefault(measure.length, set()).add(measure.hops[hop])
    return set.intersection(*by_length.values()) if by_length else set()


def _shared(hop: str, measures: Sequence[Measure], seen: Sequence[Sizes]) -> set[Sizes]:
    common = _sequences(measures, hop)
    if not common:
        expected, got = "one sequence for all texts of a bucket", " or ".join(map(_shown, seen))
        raise VerificationError(f"sizes on {hop}", expected=expected, got=got)
    return common


def _require_allowed(hop: str, sizes: Sizes) -> None:
    for there, back in sizes:
        for size, overhead in ((there, REQUEST_OVERHEAD), (back, ANSWER_OVERHEAD)):
            if size - overhead not in BUCKETS:
                expected = f"a power of two from {BUCKETS[0]} to {BUCKETS[-1]}, and {overhead}"
                raise VerificationError(f"size on {hop}", expected=expected, got=f"{size} bytes")


def _require_other(hop: str, common: set[Sizes] | set[tuple[int, int]], long: set[object]) -> None:
    if not long or common & long:
        expected, got = "another size for a text of another bucket", "the same"
        raise FetchError(f"sizes on {hop}", expected=expected, got=got)


def _by_length(measures: Sequence[Measure]) -> str:
    return ", ".join(f"{each.length} letters {_shown((each.carried,))}" for each in measures)


def _shown(sizes: Sizes) -> str:
    return " ".join(f"{there}/{back}" for there, back in sizes)
