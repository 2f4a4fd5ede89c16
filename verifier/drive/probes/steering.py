"""Can the path send a chosen client to a chosen CVM? Statistics over many sessions of two clients.

Two clients, with other addresses and other accounts, open sessions in turn; the taps say which CVM
each reached. Three exact tests: is each client alone spread over both CVMs as a fair coin would,
and are both spread alike? A path that keeps to its program fails one of them in less than one of a
million drives (``FALSE_ALARM``, shared by the tests after Bonferroni). ``SESSIONS`` is the smallest
number of which a client that is always sent to one CVM is caught every time.

A pass does not show that nobody is steered: one who is sent to a chosen CVM now and then is seldom
caught by so few sessions, and whoever steers by something that these two clients do not differ in
is not seen at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verifier.appraisal.drive.driven import Done, Seen
from verifier.client.client import AttestedClient
from verifier.drive.attempt import attempt
from verifier.drive.lab import CVM_HOPS, Lab
from verifier.drive.probes.exact_tests import coin_test, fisher_test
from verifier.drive.probes.watching import (
    Watch,
    reached_cvm,
    some_source,
    without_session_no_finding,
)
from verifier.errors import FetchError, VerificationError

__all__ = ["CHECK", "FALSE_ALARM", "SESSIONS", "judge_steering", "probe_steering"]

CHECK = "drive.path.steering"

FALSE_ALARM = 1e-6
"""How often a path without steering fails, at most."""

_TESTS = 3

SESSIONS = 23
"""Of each client: 2 / 2**23 is below a third of ``FALSE_ALARM``, and 2 / 2**22 is not."""


def probe_steering(lab: Lab) -> Mapping[str, Seen]:
    """Open ``SESSIONS`` sessions of each client; nothing where the hops are not watched."""
    if not lab.is_watched:
        return {}
    return {CHECK: attempt(lambda: _spread(lab))}


def judge_steering(marked: Sequence[int], unmarked: Sequence[int]) -> str:
    """What the tests say of the numbers of the CVMs (0 or 1) that two clients reached, in words.

    Raises VerificationError for a spread that chance does not make, and FetchError for fewer
    numbers than ``SESSIONS`` of either: what is always sent to one CVM could pass by so few.
    """
    fewest = min(len(marked), len(unmarked))
    if fewest < SESSIONS:
        expected = f"{SESSIONS} of each client"
        raise FetchError("sessions", expected=expected, got=f"{fewest} of one")
    counts = {
        who: (reached.count(0), reached.count(1))
        for who, reached in (("the marked client", marked), ("the other client", unmarked))
    }
    one, other = counts.values()
    chances = {f"{who} against a fair coin": coin_test(*count) for who, count in counts.items()}
    chances["both clients against one another"] = fisher_test(one, other)
    for what, chance in chances.items():
        if chance < FALSE_ALARM / _TESTS:
            got = (
                f"{_counted(one)} and {_counted(other)}, by chance once in {1 / chance:.0f} drives"
            )
            expected = (
                f"a spread that chance makes more often than once in {_TESTS / FALSE_ALARM:.0f}"
            )
            raise VerificationError(f"CVMs reached, {what}", expected=expected, got=got)
    least = min(chances.values())
    return f"reached {_counted(one)} and {_counted(other)}; least chance of three tests {least:.2g}"


def _spread(lab: Lab) -> Done:
    marked, unmarked = some_source(), some_source()
    with (
        without_session_no_finding(),
        lab.new_client(source=marked) as one,
        lab.new_client(source=unmarked, account=lab.accounts - 1) as other,
    ):
        reached = [(_reached(lab, one), _reached(lab, other)) for _ in range(SESSIONS)]
    return Done(judge_steering([a for a, _ in reached], [b for _, b in reached]))


def _reached(lab: Lab, client: AttestedClient) -> int:
    watch = Watch(lab)
    client.connect()
    client.close()
    return reached_cvm(watch.cvms())


def _counted(counts: tuple[int, int]) -> str:
    return ", ".join(
        f"{hop.removeprefix('gateway-')} {count} times"
        for hop, count in zip(CVM_HOPS, counts, strict=True)
    )
