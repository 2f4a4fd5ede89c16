"""The evil twins, each with what is evil about it and the checks of a drive that show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.architecture.source import words
from tests.evil.node_other_answer import SAID
from tests.evil.world import OTHER_MEASUREMENT

__all__ = ["CAUGHT", "Evil", "NodeOptions"]

NodeOptions = Mapping[str, Any]
"""Keyword arguments of ``running_cvm``."""


@dataclass(frozen=True)
class Evil:
    """What is evil in a path, and by which checks it shows, each with a part of what came.

    ``replaced`` maps roles to modules beside this one, ``node`` is what both CVMs are; ``beside``:
    they are told where a real one is. ``undetermined`` are checks that find out nothing, because
    their clients refuse what is evil. ``words`` say what is evil where the modules do not.
    """

    checks: Mapping[str, str]
    replaced: Mapping[str, str] = field(default_factory=dict)
    node: NodeOptions = field(default_factory=dict)
    beside: bool = False
    words: str = ""
    undetermined: frozenset[str] = frozenset()

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that are the twins."""
        return tuple(self.replaced.values()) or (str(self.node["module"]).rpartition(".")[2],)


def node(name: str, **options: object) -> NodeOptions:
    return {"module": f"tests.evil.{name}", **options}


CAUGHT: Mapping[str, Evil] = {
    "relay_logs": Evil({"drive.path.canary": "relay: file counts.log"}, {"relay": "relay_logs"}),
    "relay_header": Evil(
        {"drive.path.clients_alike": "at relay-gateway"}, {"relay": "relay_header"}
    ),
    "gateway_swaps_key": Evil(
        {"drive.session": "the gateway has another"}, {"gateway": "gateway_swaps_key"}
    ),
    "gateway_steers": Evil(
        {"drive.path.steering": "cvm-0 23 times, cvm-1 0 times"},
        {"gateway": "gateway_steers"},
        words="A gateway that sends everybody to the same CVM.",
    ),
    "relay_header+gateway_steers": Evil(
        {"drive.path.clients_alike": "at relay-gateway", "drive.path.steering": "23 times"},
        {"relay": "relay_header", "gateway": "gateway_steers"},
    ),
    "gateway_no_spend": Evil(
        {"drive.path.token_replay": "a tunnel"}, {"gateway": "gateway_no_spend"}
    ),
    "gateway_logs": Evil(
        {"drive.path.canary": "gateway: file counts.log"}, {"gateway": "gateway_logs"}
    ),
    "issuer_logs": Evil(
        {"drive.path.canary": "issuer: file counts.log"}, {"issuer": "issuer_logs"}
    ),
    "issuer_marks": Evil(
        {"drive.path.token_linkage": "blind signature"},
        {"issuer": "issuer_marks"},
        undetermined=frozenset({"drive.path.clients_alike", "drive.path.steering"}),
    ),
    "keycdn_second_key": Evil(
        {"drive.path.key_consistency": "127.0.0.2"}, {"keycdn": "keycdn_second_key"}
    ),
    "node_logs": Evil({"drive.path.canary": "console of CVM"}, node=node("node_logs")),
    "node_keeps": Evil({"drive.path.stateless": "the word"}, node=node("node_keeps")),
    "node_keeps_on_disk": Evil(
        {"drive.path.restart": "after a restart: the word"}, node=node("node_keeps_on_disk")
    ),
    "node_tells_length": Evil(
        {"drive.path.length_buckets": "40 letters"}, node=node("node_tells_length")
    ),
    "node_classical": Evil({"drive.path.binding": "secp256r1"}, node=node("node_classical")),
    "node_relays": Evil({"snp.report_data": ""}, node=node("node_relays"), beside=True),
    "node_replays": Evil({"snp.report_data": ""}, node=node("node_replays")),
    "node_other_answer": Evil({"drive.path.answer": SAID[0]}, node=node("node_other_answer")),
    "node_pads_not": Evil(
        {"drive.path.answer": "sealed response"},
        node=node("node_pads_not"),
        undetermined=words(
            """
            drive.path.canary drive.path.clients_alike drive.path.forward_secrecy
            drive.path.length_buckets drive.path.memory drive.path.restart drive.path.stateless
            """
        ),
    ),
    "node_unverified": Evil(
        {"log.inclusion": "inclusion proof"}, node=node("node_unverified", proof_of=0)
    ),
    "node_changed": Evil(
        {"release.measurement": OTHER_MEASUREMENT.hex()},
        node=node("node_unverified", measurement=OTHER_MEASUREMENT),
        words="A node of another program than the released one, which does not look at itself.",
    ),
}
