"""What a verification of SEV-SNP evidence costs beside its bare signature verifications.

    python benchmarks/verify_snp.py [REPORT VEK] [--rounds N] [--at RFC3339]

Timed, alternating in one run: (a) everything from bytes to an authentic report, with all its
findings; (b) the RSA-4096-PSS and the ECDSA P-384 verification alone, on prepared key objects and
prepared inputs. Without arguments a simulated chip is made, and more rows are timed, each beside
the signatures that it verifies: the library's verdict under a policy, with and without the CRL,
and on a whole bundle with release and log; and (a) with another chip every time, whose
certificate and key have to be decoded first.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cryptography
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP384R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from pipeline.platform.simulated_certificate import vek_extensions
from pipeline.platform.simulated_crl import CrlFields, crl_number, make_crl
from pipeline.platform.simulated_report import (
    ReportFields,
    encode_signed_part,
    sign_report,
)
from pipeline.platform.simulated_vendor import (
    Vendor,
    generate_ca_key,
    issue_vek,
    make_vendor,
    root_document,
    simulated_names,
)
from tests.making import PUBLISHER, Log, bundle, statement
from tests.making import entry as signed_entry
from verifier.appraisal.appraise import appraise_bundle, appraise_report
from verifier.appraisal.appraise_evidence import SnpEvidence
from verifier.appraisal.authenticate_snp import (
    AuthenticReport,
    authenticate_report,
    authenticate_vek,
)
from verifier.appraisal.policy import Policy, parse_policy
from verifier.appraisal.snp_report_checks import NO_ALLOWANCES
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.evidence.crl import parse_crl
from verifier.evidence.report_data import report_data_of_nonce
from verifier.evidence.simulated_root import parse_simulated_root
from verifier.evidence.snp_report import parse_report
from verifier.evidence.tcb import Product, Tcb
from verifier.evidence.vek_certificate import VekKind, parse_vek_certificate
from verifier.roots.amd import AMD_ROOTS
from verifier.roots.snp_root import SnpRoot
from verifier.tlog.strict import parse_timestamp

CHIPS = 300  # more than any bounded cache of decoded certificates holds
TCB = Tcb(None, 4, 0, 24, 219)
NONCE = bytes(range(32))
MEASUREMENT = bytes(range(48))
SHA = SHA384()
PARAMETERS = PSS(mgf=MGF1(SHA), salt_length=48)
REPORT_ALONE = 'require = ["evidence"]'
WHOLE = 'require = ["evidence", "log", "release"]'

Pair = tuple[bytes, bytes]


@dataclass(frozen=True)
class Row:
    """One thing that is timed, and the label of the bare signatures that it stands beside."""

    label: str
    call: Callable[[], object]
    beside: str = ""


@dataclass(frozen=True)
class Setting:
    """What is judged, and by what."""

    pairs: list[Pair]
    roots: tuple[SnpRoot, ...]
    now: datetime


def authenticate(pair: Pair, setting: Setting) -> AuthenticReport:
    report, der = pair
    certificate = parse_vek_certificate(der)
    vek = authenticate_vek(certificate, roots=setting.roots, offered_ca=(), now=setting.now)
    return authenticate_report(parse_report(report), vek=vek, allowances=NO_ALLOWANCES)


def bare(pair: Pair, setting: Setting) -> Callable[[], None]:
    """The two signature verifications of this pair, with everything prepared."""
    authentic = authenticate(pair, setting)
    certificate, report = authentic.vek.certificate, authentic.report
    rsa, ec = authentic.vek.root.signer.public_key(), certificate.public_key
    ecdsa = ECDSA(SHA)
    signature = encode_dss_signature(report.signature_r, report.signature_s)

    def verify() -> None:
        rsa.verify(certificate.signature, certificate.tbs, PARAMETERS, SHA)
        ec.verify(signature, report.signed_bytes, ecdsa)

    return verify


def evidence_rows(setting: Setting) -> list[Row]:
    first = setting.pairs[0]
    return [
        Row("RSA-PSS + ECDSA", bare(first, setting)),
        Row("  authentic report", lambda: authenticate(first, setting), "RSA-PSS + ECDSA"),
    ]


def policy_text(require: str, *, crl: bool, log: Log, measurement: str) -> bytes:
    stages = f"""
[log]
policy = "log {log.key}\\nquorum none\\n"
[release]
role = "summariser"
product = "reference-cvm"
publishers = ["{PUBLISHER.key.vkey}"]
publisher_threshold = 1
identities = []
minimum_security_version = 3
"""
    demanded = 'crl = "fresh"' if crl else ""
    return f"""\
schema = "cvm-audit/policy/v1"
name = "benchmark"
base = "simulated-2026-11"
platform = "simulated"
{require}
{stages if require == WHOLE else ""}
[sev_snp]
measurement = {measurement}
{demanded}
""".encode()


def verdict_rows(setting: Setting, vendor: Vendor) -> list[Row]:
    """Verdicts of the library, each beside all the signatures that it verifies."""
    first, roots, now = setting.pairs[0], setting.roots, setting.now
    entry = signed_entry(statement(MEASUREMENT))
    log = Log((b"one", b"two", entry, b"four", b"five"))
    crl = current_crl(vendor, now)
    files = bundle(
        {
            "snp-report": first[0],
            "snp-vek": first[1],
            "snp-crl": crl,
            "release-entry": entry,
            "release-proof": log.proof(2),
            "nonce": NONCE,
        }
    )

    def policy(require: str, *, crl: bool) -> Policy:
        given = f'["{MEASUREMENT.hex()}"]' if require == REPORT_ALONE else '"release"'
        return parse_policy(policy_text(require, crl=crl, log=log, measurement=given))

    def report(pair: Pair, rules: Policy) -> Verdict:
        evidence = SnpEvidence(report=pair[0], vek=pair[1], crl=crl)
        return appraise_report(evidence, policy=rules, roots=roots, now=now, nonce=NONCE)

    plain, revocation = policy(REPORT_ALONE, crl=False), policy(REPORT_ALONE, crl=True)
    whole = policy(WHOLE, crl=True)
    two, certified = bare(first, setting), roots[0].ark.public_key()
    listed, message = parse_crl(crl), bytes(256)
    signature, key = log.private.sign(message), log.private.public_key()

    def three() -> None:
        two()
        certified.verify(listed.signature, listed.tbs, PARAMETERS, SHA)

    def five() -> None:
        three()
        key.verify(signature, message)
        key.verify(signature, message)

    def everything() -> Verdict:
        return appraise_bundle(files, policy=whole, roots=roots, now=now, nonce=None)

    for verdict in (report(first, plain), report(first, revocation), everything()):
        assert verdict.outcome is Outcome.VERIFIED, verdict
    return [
        Row("  verdict under a policy", lambda: report(first, plain), "RSA-PSS + ECDSA"),
        Row("and RSA-PSS of the CRL", three),
        Row("  verdict with the CRL", lambda: report(first, revocation), "and RSA-PSS of the CRL"),
        Row("and two Ed25519", five),
        Row("  verdict on a whole bundle", everything, "and two Ed25519"),
    ]


def other_chip_rows(setting: Setting) -> list[Row]:
    others = itertools.cycle(setting.pairs)
    return [
        Row("RSA-PSS + ECDSA", bare(setting.pairs[0], setting)),
        Row(
            "  authentic, another chip each",
            lambda: authenticate(next(others), setting),
            "RSA-PSS + ECDSA",
        ),
    ]


def current_crl(vendor: Vendor, now: datetime) -> bytes:
    fields = CrlFields(
        issuer=vendor.ark.name,
        this_update=now,
        next_update=now + timedelta(days=365),
        revoked=(),
        extensions=(crl_number(1),),
    )
    return make_crl(fields, signer=vendor.ark.key)


def simulated_pair(vendor: Vendor, key: EllipticCurvePrivateKey, start: datetime) -> Pair:
    chip_id = key.public_key().public_numbers().x.to_bytes(64)
    extensions = vek_extensions(
        VekKind.VCEK, Product.MILAN, product_name="Milan-B0", tcb=TCB, identity=chip_id
    )
    vek = issue_vek(vendor, public_key=key.public_key(), extensions=extensions, start=start)
    fields = ReportFields(
        product=Product.MILAN,
        measurement=MEASUREMENT,
        report_data=report_data_of_nonce(NONCE),
        tcb=TCB,
        chip_id=chip_id,
    )
    return sign_report(encode_signed_part(fields), key=key), vek


def simulated(now: datetime) -> tuple[Setting, Vendor]:
    print(f"making {CHIPS} simulated chips", file=sys.stderr)
    names = simulated_names(Product.MILAN, VekKind.VCEK)
    keys = (generate_ca_key(), generate_ca_key())
    vendor = make_vendor(Product.MILAN, VekKind.VCEK, names=names, keys=keys, start=now)
    pairs = [simulated_pair(vendor, generate_private_key(SECP384R1()), now) for _ in range(CHIPS)]
    return Setting(pairs, (parse_simulated_root(root_document(vendor)),), now), vendor


def alternate(rows: Sequence[Row], rounds: int) -> list[float]:
    """Median microseconds of each row; one call of each in turn, so that noise hits all alike."""
    times: list[list[int]] = [[] for _ in rows]
    for turn in range(rounds + rounds // 10):
        for row, kept in zip(rows, times, strict=True):
            start = time.perf_counter_ns()
            row.call()
            taken = time.perf_counter_ns() - start
            if turn >= rounds // 10:  # the first tenth warms up
                kept.append(taken)
    return [statistics.median(kept) / 1000 for kept in times]


def tell(rows: Sequence[Row], times: Sequence[float]) -> None:
    medians = {row.label: median for row, median in zip(rows, times, strict=True)}
    for row in rows:
        ratio = f"   x {medians[row.label] / medians[row.beside]:.3f}" if row.beside else ""
        print(f"{row.label:<32} {medians[row.label]:8.1f} us{ratio}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the verification of SEV-SNP evidence.")
    parser.add_argument("evidence", nargs="*", type=Path, metavar="REPORT VEK")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--at", default="", help="instant, default now, as 2026-01-02T03:04:05Z")
    arguments = parser.parse_args()
    if len(arguments.evidence) not in (0, 2):
        parser.error("give a report and a VEK certificate, or nothing")
    now = datetime.now(UTC).replace(microsecond=0)
    now = parse_timestamp(arguments.at, what="--at") if arguments.at else now
    if arguments.evidence:
        report, vek = arguments.evidence
        pair = (report.read_bytes(), vek.read_bytes())
        groups = [evidence_rows(Setting([pair], AMD_ROOTS, now))]
    else:
        setting, vendor = simulated(now)
        groups = [evidence_rows(setting) + verdict_rows(setting, vendor), other_chip_rows(setting)]
    machine = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"{machine}, cryptography {cryptography.__version__}, {arguments.rounds} rounds, medians")
    for rows in groups:
        tell(rows, alternate(rows, arguments.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
