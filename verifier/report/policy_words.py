"""A policy in words: what would be accepted, a line a rule, for the person whose policy it is."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.appraisal.policy import Policy
from verifier.appraisal.policy_snp import SnpPolicy
from verifier.appraisal.policy_values import Expectation
from verifier.evidence.snp_report import HOST_VMPL
from verifier.evidence.tcb import Tcb

__all__ = ["render_policy"]

_DERIVED = {
    "release": "one of the measurements of the logged release",
    "nonce": "the digest of the auditor's nonce",
    "session": "the digest of the TLS session's exporter value, the nonce, role and server key",
    "hcl": "the digest of the runtime data of the Azure container",
    "none": "none",
}


def render_policy(policy: Policy) -> str:
    """What ``policy`` accepts, a line a rule, ending in a newline."""
    return "\n".join(_lines(policy)) + "\n"


def _lines(policy: Policy) -> Iterator[str]:
    yield f"policy {policy.name} (sha256 {policy.sha256.hex()}) accepts"
    if policy.base:
        yield f"  (rules that it does not state are those of {policy.base})"
    if policy.sev_snp is not None:
        yield from _evidence(policy, policy.sev_snp)
    if policy.log is not None:
        tlog = policy.log.tlog
        yield "a log entry that is in a tree signed by"
        yield from (f"  {key}" for key in tlog.logs)
        yield f"  and cosigned by the quorum {tlog.quorum or 'none: the word of the log alone'}"
        yield from (f"  where {group}" for group in tlog.groups)
    if policy.release is not None:
        release = policy.release
        yield f"a release of {release.product}, in the role {release.role}"
        if release.publishers:
            yield f"  signed by {release.publisher_threshold} of"
            yield from (f"    {key.vkey}" for key in release.publishers)
        if release.identities:
            yield "  signed by one of the Sigstore identities"
            yield from (f"    {identity}" for identity in release.identities)
        yield f"  with security version {release.minimum_security_version} or higher, not expired"
    if policy.hosts is not None:
        yield f"a chip that {policy.hosts.operator} enrolled in a logged host identity"
        yield f"  signed by {policy.hosts.publisher_threshold} of"
        yield from (f"    {key.vkey}" for key in policy.hosts.publishers)
    if policy.keys is not None:
        yield "keys of the private path that are in logged configurations"
        yield f"  signed by {policy.keys.publisher_threshold} of"
        yield from (f"    {key.vkey}" for key in policy.keys.publishers)


def _evidence(policy: Policy, snp: SnpPolicy) -> Iterator[str]:
    place = "genuine hardware" if policy.platform == "hardware" else "a SIMULATED platform"
    yield f"an SEV-SNP report from {place}"
    for subject, words in (*_platform(snp), *_guest(snp), *_contents(snp)):
        yield f"  {subject}: {words}"


def _platform(snp: SnpPolicy) -> Iterator[tuple[str, str]]:
    yield "product", " or ".join(snp.products)
    yield "report version", " or ".join(map(str, snp.report_versions))
    yield "unknown bits", ", ".join(snp.unknown_bits) or "none"
    yield "signing key", " or ".join((*snp.signing_keys, *snp.csp_ids))
    yield "hidden chip", "accepted" if snp.masked_chip_id else "refused"
    lists = {
        "fresh": "a current revocation list must be there",
        "stale_accepted": "a revocation list must be there, and may be overdue",
    }
    yield "revocation", lists.get(snp.crl) or _unchecked(snp.crl_not_checked)
    yield "PLATFORM_INFO has", ", ".join(snp.platform_info_required) or "anything"
    yield "PLATFORM_INFO has not", ", ".join(snp.platform_info_forbidden) or "nothing in particular"
    yield "firmware", f"{snp.minimum_firmware} or later"
    yield "uncommitted firmware", "accepted" if snp.allow_provisional else "refused"
    floors = (
        ("reported", snp.minimum_reported_tcb),
        ("launch", snp.minimum_launch_tcb),
        ("committed", snp.minimum_committed_tcb),
    )
    for name, floor in floors:
        for product, tcb in floor.items():
            yield f"{name} TCB of {product}", _floor(tcb)
    masks = ", ".join(f"{product} {mask:#x}" for product, mask in snp.mitigations.items())
    yield "mitigations", masks or _unchecked(snp.mitigations_not_checked)
    open_ones = ", ".join(snp.advisories.accepted) or "none"
    yield "known vulnerabilities that may be open", open_ones
    undecidable = "accepted" if snp.advisories.undecidable else "refused"
    yield "vulnerabilities of which evidence cannot tell", undecidable
    yield "table of vulnerabilities", f"at most {snp.advisories.maximum_age_days} days old"


def _floor(tcb: Tcb) -> str:
    return f"{tcb} or higher, component by component"


def _guest(snp: SnpPolicy) -> Iterator[tuple[str, str]]:
    vmpls = ("requested by the host" if v == HOST_VMPL else str(v) for v in snp.vmpls)
    yield "privilege level", " or ".join(vmpls)
    permissions = (
        ("debugging by the host", snp.allow_debug),
        ("migration agent", snp.allow_migrate_ma),
        ("simultaneous multithreading", snp.allow_smt),
        ("CXL", snp.allow_cxl),
    )
    for name, allowed in permissions:
        yield name, "accepted" if allowed else "refused"
    yield "POLICY restricts", ", ".join(snp.restrictions_required) or "nothing in particular"
    yield "firmware ABI demanded by the guest", "{}.{} or higher".format(*snp.minimum_abi)
    yield "GUEST_SVN", f"{snp.minimum_guest_svn} or higher"


def _contents(snp: SnpPolicy) -> Iterator[tuple[str, str]]:
    yield "MEASUREMENT", _expected(snp.measurement)
    yield "REPORT_DATA", _expected(snp.report_data)
    yield "HOST_DATA", _expected(snp.host_data)
    yield "FAMILY_ID", _expected(snp.family_id)
    yield "IMAGE_ID", _expected(snp.image_id)
    yield "ID key", _expected(snp.id_key)
    yield "author key", _expected(snp.author_key)
    block = snp.id_block_not_checked
    yield "ID block", _unchecked(block) if block else "must be there, signed, and agree"
    yield "migration agent's report", _expected(snp.migration_agent)
    yield "CHIP_ID", _expected(snp.chip_ids)
    yield "refused chips", ", ".join(chip.hex() for chip in snp.denied_chip_ids) or "none"
    hosts = snp.hosts_not_checked
    yield "enrolled hosts", _unchecked(hosts) if hosts else "the chip must be one"


def _expected(expectation: Expectation) -> str:
    if expectation.not_checked:
        return _unchecked(expectation.not_checked)
    values = " or ".join(value.hex() for value in expectation.values)
    return values or _DERIVED[expectation.derived]


def _unchecked(reason: str) -> str:
    return f"anything, not checked: {reason}"
