"""Two short ways to say a case: by the report and rules that it changes, or by a whole bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.fixture_cases.case import Case
from tests.fixture_cases.vendor import FixtureAmd, contents, rules, tar, vendor
from verifier.appraisal.verdict import Outcome
from verifier.conformance.fixture import Expansion, Ruling

__all__ = ["MALFORMED", "alone", "logged", "slug_of", "squeezed"]

MALFORMED: dict[str, Any] = {"ruling": Ruling.MALFORMED}
"""What is wrong is the form of what came."""


def slug_of(check: str, what: str = "") -> str:
    """A check's id as part of a folder's name."""
    return f"{check.replace('.', '-').replace('_', '-')}{'-' if what else ''}{what}"


def squeezed(case: Case, whole: bytes, filling: bytes) -> Case:
    """``case`` with the bundle ``whole``, stored without ``filling``: one byte, many times."""
    (byte,) = set(filling)
    offset = whole.index(filling)
    return replace(
        case,
        bundle=whole[:offset] + whole[offset + len(filling) :],
        expand=Expansion(offset=offset, byte=byte, count=len(filling)),
    )


def alone(
    check: str | None,
    title: str,
    *attacks: str,
    what: str = "",
    amd: FixtureAmd | None = None,
    fields: Mapping[str, Any] | None = None,
    changed: Mapping[str, Any] | None = None,
    held: Mapping[str, bytes | None] | None = None,
    only_evidence: bool = True,
    release: Mapping[str, Any] | None = None,
    **case: Any,
) -> Case:
    """A case of one report: ``fields`` change it, ``changed`` the policy, ``held`` the bundle."""
    amd = amd or vendor()
    made = contents(
        amd, only_evidence=only_evidence, fields=fields, release=release, **dict(held or {})
    )
    given: dict[str, Any] = {
        "slug": slug_of(check, what) if check else what,
        "title": title,
        "attacks": attacks,
        "check": check,
        "bundle": tar(made),
        "policy": rules(amd, only_evidence=only_evidence, **dict(changed or {})),
        "roots": amd.roots,
    }
    if check is None:
        given |= {"ruling": Ruling.ACCEPTED, "verdict": Outcome.VERIFIED}
    return Case(**(given | case))


def logged(check: str | None, title: str, *attacks: str, **case: Any) -> Case:
    """As ``alone``, with a logged release."""
    return alone(check, title, *attacks, only_evidence=False, **case)
