"""``log-policy/v1``: who may log what in one log, and who may change that.

Everything that it says can be checked against an entry alone, without a clock, so that anybody who
has the log can see whether it kept its own rules. Source: design section 4; the idea that rules of
admission are logged themselves is that of SCITT (draft-ietf-scitt-architecture, "Registration
Policy"); schemas/log-policy.v1.schema.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from verifier.release.members import read_vkey, read_vkeys
from verifier.release.publisher import PublisherKey
from verifier.release.statement import NAME, ROLE, Statement
from verifier.release.subject import named_digest, require_subjects
from verifier.tlog.json_object import JsonObject

__all__ = [
    "DATED_KINDS",
    "GOVERNED_KINDS",
    "ORIGIN",
    "PREDICATE_TYPE",
    "Administrators",
    "KindRule",
    "LogPolicy",
    "ReleaseScope",
    "Submitter",
    "parse_log_policy",
]

PREDICATE_TYPE = "urn:cvm-audit:log-policy:v1"

GOVERNED_KINDS = (
    "announcement/v1",
    "cvm-release/v1",
    "host-identity/v1",
    "key-configuration/v1",
    "rebuild/v1",
    "revocation/v1",
    "tcb-floor/v1",
)
"""The kinds that a policy can admit. Its own kind is the administrators' and cannot be lent."""

DATED_KINDS = ("cvm-release/v1", "host-identity/v1", "key-configuration/v1")
"""The kinds with a ``notAfter``, for which a policy must set the latest."""

ORIGIN = r"[!-*,-~]{1,200}"
"""Origin of a log (C2SP tlog-checkpoint), of ASCII without blank and ``+``."""

_MAX_ENTRY = 65_535
_RELEASES = "cvm-release/v1"


@dataclass(frozen=True, slots=True)
class Administrators:
    """``threshold`` of ``keys`` must sign the policy that follows."""

    keys: tuple[PublisherKey, ...]
    threshold: int


@dataclass(frozen=True, slots=True)
class KindRule:
    """One admitted kind: ``threshold`` submitters sign, at most ``maximum_size`` bytes.

    ``latest_not_after`` is the latest ``notAfter`` that an entry may have; None for the kinds that
    have no such member.
    """

    kind: str
    threshold: int
    maximum_size: int
    latest_not_after: datetime | None


@dataclass(frozen=True, slots=True)
class ReleaseScope:
    """Releases of ``role`` of ``product``."""

    role: str
    product: str


@dataclass(frozen=True, slots=True)
class Submitter:
    """``key`` may sign entries of ``kinds``; releases only within one of ``releases``."""

    key: PublisherKey
    kinds: tuple[str, ...]
    releases: tuple[ReleaseScope, ...]


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """Rules of the log ``origin``. ``sequence`` is 1 for its first policy and rises by one."""

    origin: str
    sequence: int
    administrators: Administrators
    kinds: tuple[KindRule, ...]
    submitters: tuple[Submitter, ...]


def parse_log_policy(statement: Statement) -> LogPolicy:
    """Read the predicate; the one subject is the log, by its origin.

    Raises ParseError, also for a policy under which a kind that it admits could not be logged.
    """
    predicate = statement.predicate
    policy = LogPolicy(
        origin=predicate.text("origin", pattern=ORIGIN),
        sequence=predicate.integer("sequence", minimum=1, maximum=2**32 - 1),
        administrators=_administrators(predicate.object("administrators")),
        kinds=_kinds(predicate.object("kinds")),
        submitters=tuple(_submitter(item) for item in predicate.objects("submitters")),
    )
    predicate.end()
    require_subjects(statement, {"log": named_digest("log", policy.origin)})
    _require_distinct(predicate, policy.submitters)
    for rule in policy.kinds:
        _require_reachable(predicate, rule, policy.submitters)
    return policy


def _administrators(item: JsonObject) -> Administrators:
    keys = read_vkeys(item, "keys")
    threshold = item.integer("threshold", minimum=1, maximum=1024)
    item.end()
    if threshold > len(keys):
        raise item.refuse("threshold", expected=f"1 to {len(keys)}", got=str(threshold))
    return Administrators(keys, threshold)


def _kinds(item: JsonObject) -> tuple[KindRule, ...]:
    rules = []
    for kind in item.names():
        if kind not in GOVERNED_KINDS:
            raise item.refuse(kind, expected=" or ".join(GOVERNED_KINDS), got="another kind")
        rules.append(_kind(item.object(kind), kind))
    return tuple(rules)


def _kind(item: JsonObject, kind: str) -> KindRule:
    rule = KindRule(
        kind=kind,
        threshold=item.integer("threshold", minimum=1, maximum=1024),
        maximum_size=item.integer("maximumSize", minimum=1, maximum=_MAX_ENTRY),
        latest_not_after=item.timestamp("latestNotAfter") if kind in DATED_KINDS else None,
    )
    item.end()
    return rule


def _submitter(item: JsonObject) -> Submitter:
    key = read_vkey(item, "key")
    kinds = tuple(_governed(item, kind) for kind in item.texts("kinds", minimum=1))
    # Asked for where it means something, and refused where it would look like a limit and be none.
    scopes = item.objects("releases", minimum=1) if _RELEASES in kinds else ()
    releases = tuple(_scope(scope) for scope in scopes)
    item.end()
    if len(set(releases)) != len(releases):
        raise item.refuse("releases", expected="distinct members", got="one of them twice")
    return Submitter(key, kinds, releases)


def _governed(item: JsonObject, kind: str) -> str:
    if kind not in GOVERNED_KINDS:
        raise item.refuse("kinds", expected=" or ".join(GOVERNED_KINDS), got=kind)
    return kind


def _scope(item: JsonObject) -> ReleaseScope:
    scope = ReleaseScope(item.text("role", pattern=ROLE), item.text("product", pattern=NAME))
    item.end()
    return scope


def _require_distinct(predicate: JsonObject, submitters: tuple[Submitter, ...]) -> None:
    if len({submitter.key.keyid for submitter in submitters}) != len(submitters):
        raise predicate.refuse("submitters", expected="distinct keyids", got="one of them twice")


def _require_reachable(
    predicate: JsonObject, rule: KindRule, submitters: tuple[Submitter, ...]
) -> None:
    able = sum(rule.kind in submitter.kinds for submitter in submitters)
    if able < rule.threshold:
        expected = f"at least {rule.threshold} for {rule.kind}"
        raise predicate.refuse("submitters", expected=expected, got=str(able))
