"""What a role of the private path can see: everything that its imports reach, not only its own.

A role that cannot name a format cannot read it, by accident or by a small change. What each has to
do with the world, such as sockets, is tested with the role.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from tests.architecture.source import Module, imports, modules, snippet, within, words

# The formats of verifier/wire that each role may reach. What is not here it must not see.
SEES: dict[str, frozenset[str]] = {
    "pipeline.relay": words("ohttp_media"),
    "pipeline.keycdn": words("key_configuration"),
    "pipeline.issuer": words("blind_rsa blind_signing token_issuance token_key"),
    "pipeline.gateway": words(
        """
        auth_scheme bhttp blind_rsa ohttp ohttp_keys ohttp_media token token_challenge token_key
        tunnel tunnel_answer varint
        """
    ),
    "pipeline.up": frozenset(),
}
# Of the guest it is said what it must not know: the path that requests come by.
UNSEEN_BY_NODE = words(
    """
    auth_scheme bhttp blind_rsa blind_signing key_configuration key_set ohttp ohttp_keys ohttp_media
    token token_challenge token_issuance token_key token_request tunnel tunnel_answer
    """
)
# Rooms that no role of the path reaches, whatever they are for.
UNSEEN_BY_ALL = words(
    """
    log_server pipeline.node pipeline.platform pipeline.image verifier.appraisal verifier.cli
    verifier.drive verifier.evidence verifier.fetch verifier.library verifier.measurement
    """
)


def reached(room: str, source: Iterable[Module]) -> frozenset[str]:
    """Every module of this project that importing any module of ``room`` loads."""
    by_name = {module.name: module for module in source}
    left = [name for name in by_name if within(name, room)]
    assert left, f"{room} has no module"
    found: set[str] = set()
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [each for _, target in imports(by_name[name]) for each in _of(target, by_name)]
    return frozenset(found)


def _of(target: str, by_name: Mapping[str, Module]) -> list[str]:
    # ``a.b.c`` may be a module, or a name in ``a.b``.
    return [name for name in (target, target.rpartition(".")[0]) if name in by_name]


def formats(names: Iterable[str]) -> frozenset[str]:
    """The rooms or modules of verifier/wire among ``names``."""
    parts = (name.split(".") for name in names if within(name, "verifier.wire"))
    return frozenset(part[2] for part in parts if len(part) > 2)


@pytest.mark.parametrize("role", sorted(SEES))
def test_a_role_reaches_only_the_formats_that_it_may_see(role: str) -> None:
    assert formats(reached(role, modules())) <= SEES[role]


def test_nothing_is_allowed_that_is_not_needed() -> None:
    needed = {role: formats(reached(role, modules())) for role in SEES}
    assert needed == SEES


def test_the_guest_does_not_know_the_path() -> None:
    assert not formats(reached("pipeline.node", modules())) & UNSEEN_BY_NODE


@pytest.mark.parametrize("role", sorted(SEES))
def test_a_role_reaches_no_other_role_and_no_judge(role: str) -> None:
    others = (*UNSEEN_BY_ALL, *(other for other in SEES if other != role))
    names = reached(role, modules())
    assert not [name for name in names for other in others if within(name, other)]


def test_a_detour_is_seen() -> None:
    source = [
        snippet("pipeline.relay.forwarding", "from pipeline.role import life\n"),
        snippet("pipeline.role.life", "from verifier.wire.tunnel import OpenTunnel\n"),
        snippet("verifier.wire.tunnel", "import verifier.wire.bhttp\n"),
        snippet("verifier.wire.bhttp", ""),
    ]
    assert formats(reached("pipeline.relay", source)) == {"tunnel", "bhttp"}


def test_a_room_within_the_formats_counts_by_its_name() -> None:
    assert formats(["verifier.wire.workload.summary", "verifier.wire"]) == {"workload"}
