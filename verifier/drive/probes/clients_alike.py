"""What two different clients look like to the gateway: the same.

Two clients, with other addresses, other accounts and other texts of the same buckets, do the same
things. At the gateway every request of both must have one and the same head but for its length,
with no field that a relay has no need of, and the lengths must come in one sequence. Nothing beyond
the relay may hold the address of either.

A pass does not show that the two cannot be told apart by time, or by a text of another bucket, nor
that a relay which marks somebody else would be caught. When a CVM pauses within an answer the
client asks once more; so each client does its things up to ``RUNS`` times, and one sequence that
both have is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from verifier.appraisal.drive.driven import Done, Seen
from verifier.client.client import AttestedClient
from verifier.drive.attempt import attempt
from verifier.drive.lab import CVM_HOPS, Lab
from verifier.drive.probes.canaries import Hay
from verifier.drive.probes.canary import hay_of_recordings, hay_of_role
from verifier.drive.probes.exchanges import Exchange, Message, read_exchanges
from verifier.drive.probes.watching import Watch, some_source, without_session_no_finding
from verifier.errors import FetchError, VerificationError
from verifier.tlog.strict import excerpt

__all__ = [
    "CHECK",
    "FIELDS",
    "RUNS",
    "Run",
    "judge_addresses",
    "judge_heads",
    "judge_sizes",
    "probe_clients_alike",
    "run_of",
]

CHECK = "drive.path.clients_alike"

RUNS = 5
"""How often each client does the same, at most."""

FIELDS = frozenset(
    (
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    )
)
"""What the head of a relay's request may hold: RFC 9458 section 6.1 asks for no more."""

_HOP = "relay-gateway"
_BEYOND = (_HOP, *CVM_HOPS)
_TEXTS = (
    "i dont know when teh train leaves",
    "i cant come to teh long meeting tomorrow because my sister is at home",
)


@dataclass(frozen=True, slots=True)
class Run:
    """What a gateway saw of one client: heads of requests, and sizes of requests and answers."""

    heads: tuple[tuple[str, ...], ...]
    sizes: tuple[tuple[int, int], ...]


def probe_clients_alike(lab: Lab) -> Mapping[str, Seen]:
    """Let two clients do the same; nothing where the hops are not watched."""
    if not lab.is_watched:
        return {}
    return {CHECK: attempt(lambda: _alike(lab))}


def run_of(exchanges: Sequence[Exchange]) -> Run:
    """What a gateway saw. The value of Content-Length is left out of a head: it is in the sizes."""
    heads = tuple(_head(each.request) for each in exchanges)
    sizes = tuple((len(each.request.body), len(each.answer.body)) for each in exchanges)
    return Run(heads, sizes)


def judge_heads(runs: Iterable[Run]) -> int:
    """How many requests were compared.

    Raises VerificationError for a field that is not one of ``FIELDS``, and for a head that is not
    like the first one; FetchError if there is no request.
    """
    heads = [head for run in runs for head in run.heads]
    if not heads:
        raise FetchError(f"recording of {_HOP}", expected="requests", got="none")
    for head in heads:
        for line in head[1:]:
            name = line.partition(":")[0].lower()
            if name not in FIELDS:
                expected = f"no fields but {', '.join(sorted(FIELDS))}"
                what = f"request on {_HOP}"
                raise VerificationError(what, expected=expected, got=excerpt(line))
        if head != heads[0]:
            expected, got = _first_difference(heads[0], head)
            raise VerificationError(f"requests on {_HOP}", expected=expected, got=got)
    return len(heads)


def judge_sizes(ones: Sequence[Run], others: Sequence[Run]) -> str:
    """The sequence of sizes that both clients have, in words. Raises VerificationError if none."""
    common = {run.sizes for run in ones} & {run.sizes for run in others}
    if not common:
        expected, got = (_shown(runs[-1].sizes) for runs in (ones, others))
        what = f"sizes of two clients on {_HOP}"
        raise VerificationError(what, expected=f"those of the first: {expected}", got=got)
    return _shown(min(common, key=len))


def judge_addresses(addresses: Sequence[str], hay: Iterable[Hay]) -> None:
    """Raise VerificationError if one of ``addresses`` (IPv4) stands in ``hay``."""
    spelled = [
        (address, spelling, needle)
        for address in addresses
        for spelling, needle in _spellings(address).items()
    ]
    for each in hay:
        for address, spelling, needle in spelled:
            offset = each.content.find(needle)
            if offset >= 0:
                got = f"{address} at {each.place}, offset {offset}: {spelling}"
                expected = "no address of a client beyond the relay"
                raise VerificationError("address of a client", expected=expected, got=got)


def _alike(lab: Lab) -> Done:
    sources = (some_source(), some_source())
    watch = Watch(lab)
    ones: list[Run] = []
    others: list[Run] = []
    with (
        without_session_no_finding(),
        lab.new_client(source=sources[0]) as one,
        lab.new_client(source=sources[1], account=lab.accounts - 1) as other,
    ):
        for _ in range(RUNS):
            ones.append(_run(lab, one, _TEXTS[0]))
            others.append(_run(lab, other, _TEXTS[1]))
            if {run.sizes for run in ones} & {run.sizes for run in others}:
                break
    judge_addresses(sources, _hay(lab, watch))
    requests = judge_heads((*ones, *others))
    sizes = judge_sizes(ones, others)
    return Done(f"one head for {requests} requests of two clients, one sequence of sizes: {sizes}")


def _run(lab: Lab, client: AttestedClient, text: str) -> Run:
    watch = Watch(lab)
    client.rewrite(text, style="proofread")
    client.chat(f"My plan: {text}.")
    client.close()
    return run_of(read_exchanges(watch.seen(_HOP), what=_HOP))


def _hay(lab: Lab, watch: Watch) -> Iterator[Hay]:
    for hop in _BEYOND:
        recordings = watch.seen(hop)
        yield from hay_of_recordings(hop, recordings)
        for number, recording in enumerate(recordings):
            yield Hay(f"{hop}, peer of connection {number}", recording.peer[0].encode("ascii"))
    for role in lab.roles:
        if role.name == "gateway":
            yield from hay_of_role(role)


def _head(message: Message) -> tuple[str, ...]:
    return tuple(
        line.partition(":")[0] if line.lower().startswith("content-length:") else line
        for line in message.lines
    )


def _first_difference(expected: tuple[str, ...], got: tuple[str, ...]) -> tuple[str, str]:
    for one, other in zip(expected, got, strict=False):
        if one != other:
            return f"the line {excerpt(one)}, as before", excerpt(other)
    return f"{len(expected)} lines, as before", f"{len(got)}"


def _spellings(address: str) -> Mapping[str, bytes]:
    packed = ip_address(address).packed
    return {
        "as it is": address.encode("ascii"),
        "with hyphens": address.replace(".", "-").encode("ascii"),
        "in UTF-16": address.encode("utf-16-le")[:-1],
        "in hex": packed.hex().encode("ascii"),
        "in hex capitals": packed.hex().upper().encode("ascii"),
    }


def _shown(sizes: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{there}/{back}" for there, back in sizes)
