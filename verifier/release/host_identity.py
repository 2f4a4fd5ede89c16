"""``host-identity/v1``: the machines that an operator enrolled, by digests of their chips' hwIDs.

The digest is one-way towards people and exact towards a VCEK certificate: whoever holds evidence of
a machine can look it up, and the log is no list of serial numbers. Source: design section 4;
schemas/host-identity.v1.schema.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from verifier.errors import ParseError
from verifier.release.cvm_release import TCB_COMPONENTS
from verifier.release.members import read_period
from verifier.release.statement import NAME, Statement
from verifier.release.subject import take_subject
from verifier.tlog.json_object import JsonObject

__all__ = ["PREDICATE_TYPE", "Host", "HostIdentity", "parse_host_identity"]

PREDICATE_TYPE = "urn:cvm-audit:host-identity:v1"


@dataclass(frozen=True, slots=True)
class Host:
    """An enrolled chip: ``digest`` is ``subject.host_digest`` of its product line and hwID."""

    name: str
    product: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class HostIdentity:
    """Hosts of ``operator``, who vouches for them from ``not_before`` to ``not_after``."""

    operator: str
    hosts: tuple[Host, ...]
    not_before: datetime
    not_after: datetime


def parse_host_identity(statement: Statement) -> HostIdentity:
    """Read the predicate and join each host with its subject, the host digest. Raises ParseError.

    One digest may not be there under two names: a host counts once.
    """
    predicate = statement.predicate
    subjects = {subject.name: subject.sha256 for subject in statement.subjects}
    if len(set(subjects.values())) != len(subjects):
        raise ParseError("statement.subject", expected="each digest once", got="one twice")
    operator = predicate.text("operator", pattern=NAME)
    hosts = tuple(_host(item, subjects) for item in predicate.objects("hosts", minimum=1))
    not_before, not_after = read_period(predicate)
    predicate.end()
    if subjects:  # each host took its subject
        got = f"none for {next(iter(subjects))}"
        raise ParseError("statement.subject", expected="a host for each", got=got)
    return HostIdentity(operator, hosts, not_before, not_after)


def _host(item: JsonObject, subjects: dict[str, bytes]) -> Host:
    subject = take_subject(item, subjects, pattern=NAME)
    host = Host(subject.name, item.choice("product", tuple(TCB_COMPONENTS)), subject.sha256)
    item.end()
    return host
