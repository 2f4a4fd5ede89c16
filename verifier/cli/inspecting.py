"""What a file says of itself, in lines. Parses; verifies nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from verifier.cli.inspecting_entry import describe_entry, line
from verifier.errors import ParseError, UnsupportedError
from verifier.evidence.bundle import MANIFEST, parse_bundle
from verifier.evidence.bundle_tar import parse_bundle_tar
from verifier.evidence.certificate_table import (
    CertificateTable,
    parse_certificate_table,
    split_report,
    starts_table,
)
from verifier.evidence.crl import Crl, parse_crl
from verifier.evidence.der import common_name
from verifier.evidence.snp_bits import PLATFORM_BITS, POLICY_BITS, set_bits
from verifier.evidence.snp_report import SIZE, AttestationReport, parse_report, unknown_bits
from verifier.evidence.vek_certificate import parse_vek_certificate
from verifier.release.entry import parse_entry
from verifier.tlog.checkpoint import parse_checkpoint
from verifier.tlog.note import parse_note
from verifier.tlog.proof import parse_tlog_proof
from verifier.tlog.strict import excerpt

__all__ = ["describe", "describe_entry"]


def describe(content: bytes | Mapping[str, bytes | None]) -> Iterator[str]:
    """Lines about a file (bytes) or a bundle folder (files by path).

    Raises ParseError, or UnsupportedError if the kind of file is not recognised.
    """
    if isinstance(content, Mapping):
        yield from _bundle(content)
    elif len(content) == SIZE or _starts_report(content):
        yield from _report_and_table(content)
    elif starts_table(content):
        yield from _table(parse_certificate_table(content))
    elif content.startswith((b"\x30\x82", b"-----BEGIN ")):
        yield from _certificate_or_crl(content)
    elif content.startswith(b"c2sp.org/tlog-proof@"):
        yield from _proof(content)
    elif content.startswith(MANIFEST.encode() + b"\0"):  # the first name of a bundle's tar
        yield from _bundle(parse_bundle_tar(content))
    elif content.startswith(b"{"):
        yield from describe_entry(parse_entry(content))
    else:
        raise UnsupportedError(
            "file",
            expected=f"an SNP report of {SIZE} bytes, a DER certificate, an entry or a .tlog-proof",
            got=f"{len(content)} bytes that begin with {excerpt(content[:16])}",
        )


def _bundle(files: Mapping[str, bytes | None]) -> Iterator[str]:
    bundle = parse_bundle(files)
    yield line("bundle", f"sha256 {bundle.digest.hex()}")
    yield line("captured", f"{bundle.captured:%Y-%m-%dT%H:%M:%SZ} (claimed)")
    for member in bundle.members:
        yield line(member.role, f"{member.path}, {member.size} bytes, {member.sha256.hex()}")


def _report(report: AttestationReport) -> Iterator[str]:
    yield line("SNP report version", report.version)
    yield line("GUEST_SVN", report.guest_svn)
    yield line("POLICY", f"{report.policy:#x} {' '.join(set_bits(report.policy, POLICY_BITS))}")
    yield line("FAMILY_ID", report.family_id.hex())
    yield line("IMAGE_ID", report.image_id.hex())
    yield line("VMPL", f"{report.vmpl:#x}" + (" (host)" if report.host_requested else ""))
    bits = " ".join(set_bits(report.platform_info, PLATFORM_BITS))
    yield line("PLATFORM_INFO", f"{report.platform_info:#x} {bits}")
    yield line("KEY_INFO", f"{report.key_info:#x}, signing key {report.signing_key}")
    yield line("unknown bits", ", ".join(unknown_bits(report)) or "none")
    yield line("REPORT_DATA", report.report_data.hex())
    yield line("MEASUREMENT", report.measurement.hex())
    yield line("HOST_DATA", report.host_data.hex())
    yield line("ID_KEY_DIGEST", report.id_key_digest.hex())
    yield line("AUTHOR_KEY_DIGEST", report.author_key_digest.hex())
    yield line("REPORT_ID", report.report_id.hex())
    yield line("REPORT_ID_MA", report.report_id_ma.hex())
    yield from _levels(report)


def _starts_report(content: bytes) -> bool:
    # VERSION, a small little-endian integer; none of the other kinds has zeros there.
    return len(content) > SIZE and content[0] != 0 and content[1:4] == bytes(3)


def _report_and_table(content: bytes) -> Iterator[str]:
    raw, table = split_report(content)
    yield from _report(parse_report(raw))
    if table is not None:
        yield from _table(table)


def _table(table: CertificateTable) -> Iterator[str]:
    for name, content in zip(table.names, table.contents.values(), strict=True):
        digest = hashlib.sha256(content).hexdigest()
        yield line("certificate table", f"{name}, {len(content)} bytes, {digest}")


def _levels(report: AttestationReport) -> Iterator[str]:
    # The meaning of the eight bytes depends on the product, which nobody has vouched for here.
    for name in ("reported", "committed", "current", "launch"):
        yield line(f"{name.upper()}_TCB", getattr(report, f"{name}_tcb").hex(" "))
    cpuid = report.cpuid
    yield line(
        "CPUID family/model/step",
        "not in this version" if cpuid is None else "/".join(f"{part:#04x}" for part in cpuid),
    )
    yield line("CHIP_ID", report.chip_id.hex())
    yield line("firmware, current", report.current_firmware)
    yield line("firmware, committed", report.committed_firmware)
    if report.current_mitigation_vector is not None:
        yield line("LAUNCH_MIT_VECTOR", f"{report.launch_mitigation_vector:#x}")
        yield line("CURRENT_MIT_VECTOR", f"{report.current_mitigation_vector:#x}")


def _certificate_or_crl(der: bytes) -> Iterator[str]:
    try:
        crl = parse_crl(der)
    except (ParseError, UnsupportedError):
        # The certificate's own error is the one to show: nearly all files are certificates.
        yield from _certificate(der)
    else:
        yield from _crl(crl)


def _crl(crl: Crl) -> Iterator[str]:
    yield line("CRL number", crl.number)
    yield line("issuer", common_name(crl.issuer, what="CRL, issuer"))
    yield line("this update", f"{crl.this_update:%Y-%m-%dT%H:%M:%SZ}")
    yield line("next update", f"{crl.next_update:%Y-%m-%dT%H:%M:%SZ}")
    for revoked in crl.revoked:
        yield line("revoked", f"serial {revoked.serial:#x}, {revoked.since:%Y-%m-%dT%H:%M:%SZ}")


def _certificate(der: bytes) -> Iterator[str]:
    certificate = parse_vek_certificate(der)
    yield line("certificate", f"{certificate.kind} for {certificate.product_name}")
    yield line("issuer", certificate.issuer_common_name)
    yield line("serial", certificate.serial)
    yield line("not before", f"{certificate.not_before:%Y-%m-%dT%H:%M:%SZ}")
    yield line("not after", f"{certificate.not_after:%Y-%m-%dT%H:%M:%SZ}")
    yield line("TCB", certificate.tcb)
    if certificate.hw_id is not None:
        yield line("hwID", certificate.hw_id.hex())
    if certificate.csp_id is not None:
        yield line("cspID", certificate.csp_id)


def _proof(raw: bytes) -> Iterator[str]:
    proof = parse_tlog_proof(raw)
    note = parse_note(proof.checkpoint_raw)
    checkpoint = parse_checkpoint(note)
    yield line("tlog-proof, index", proof.index)
    yield line("hashes", len(proof.hashes))
    yield line("origin", checkpoint.origin)
    yield line("tree size", checkpoint.tree.size)
    yield line("root hash", checkpoint.tree.root.hex())
    for signature in note.signatures:
        yield line("signature by", f"{signature.name}+{signature.key_id.hex()}")
