"""What a verification of SEV-SNP evidence costs beside its two bare signature verifications.

    python benchmarks/verify_snp.py [REPORT VEK] [--rounds N] [--at RFC3339]

Timed, alternating in one run: (a) everything from bytes to an authentic report, with all its
findings; (b) the RSA-4096-PSS and the ECDSA P-384 verification alone, on prepared key objects and
prepared inputs. Without arguments a simulated pair is made, and a third row is timed: as (a), but
every time with another chip, whose key has to be decoded first.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
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
from verifier.appraisal.authenticate_snp import (
    AuthenticReport,
    authenticate_report,
    authenticate_vek,
)
from verifier.appraisal.snp_report_checks import NO_ALLOWANCES
from verifier.evidence.simulated_root import parse_simulated_root
from verifier.evidence.snp_report import parse_report
from verifier.evidence.tcb import Product, Tcb
from verifier.evidence.vek_certificate import VekKind, parse_vek_certificate
from verifier.roots.amd import AMD_ROOTS
from verifier.roots.snp_root import SnpRoot
from verifier.tlog.strict import parse_timestamp

CHIPS = 300  # more than any bounded cache of decoded keys holds
TCB = Tcb(None, 4, 0, 24, 219)

Pair = tuple[bytes, bytes]


def authenticate(pair: Pair, roots: tuple[SnpRoot, ...], now: datetime) -> AuthenticReport:
    report, der = pair
    certificate = parse_vek_certificate(der)
    vek = authenticate_vek(certificate, roots=roots, offered_ca=(), now=now)
    return authenticate_report(parse_report(report), vek=vek, allowances=NO_ALLOWANCES)


def bare(pair: Pair, roots: tuple[SnpRoot, ...], now: datetime) -> Callable[[], None]:
    """The two signature verifications of this pair, with everything prepared."""
    authentic = authenticate(pair, roots, now)
    certificate, report = authentic.vek.certificate, authentic.report
    rsa, ec = authentic.vek.root.signer.public_key(), certificate.public_key
    sha384 = SHA384()
    pss, ecdsa = PSS(mgf=MGF1(sha384), salt_length=48), ECDSA(sha384)
    signature = encode_dss_signature(report.signature_r, report.signature_s)

    def verify() -> None:
        rsa.verify(certificate.signature, certificate.tbs, pss, sha384)
        ec.verify(signature, report.signed_bytes, ecdsa)

    return verify


def simulated_pair(vendor: Vendor, key: EllipticCurvePrivateKey, start: datetime) -> Pair:
    chip_id = key.public_key().public_numbers().x.to_bytes(64)
    extensions = vek_extensions(
        VekKind.VCEK, Product.MILAN, product_name="Milan-B0", tcb=TCB, identity=chip_id
    )
    vek = issue_vek(vendor, public_key=key.public_key(), extensions=extensions, start=start)
    fields = ReportFields(
        product=Product.MILAN,
        measurement=bytes(48),
        report_data=bytes(64),
        tcb=TCB,
        chip_id=chip_id,
    )
    return sign_report(encode_signed_part(fields), key=key), vek


def simulated(start: datetime) -> tuple[list[Pair], tuple[SnpRoot, ...]]:
    print(f"making {CHIPS} simulated chips", file=sys.stderr)
    names = simulated_names(Product.MILAN, VekKind.VCEK)
    keys = (generate_ca_key(), generate_ca_key())
    vendor = make_vendor(Product.MILAN, VekKind.VCEK, names=names, keys=keys, start=start)
    pairs = [simulated_pair(vendor, generate_private_key(SECP384R1()), start) for _ in range(CHIPS)]
    return pairs, (parse_simulated_root(root_document(vendor)),)


def alternate(rows: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Median microseconds of each row; one call of each in turn, so that noise hits all alike."""
    times: list[list[int]] = [[] for _ in rows]
    for turn in range(rounds + rounds // 10):
        for row, kept in zip(rows, times, strict=True):
            start = time.perf_counter_ns()
            row()
            taken = time.perf_counter_ns() - start
            if turn >= rounds // 10:  # the first tenth warms up
                kept.append(taken)
    return [statistics.median(kept) / 1000 for kept in times]


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the verification of SEV-SNP evidence.")
    parser.add_argument("evidence", nargs="*", type=Path, metavar="REPORT VEK")
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--at", default="", help="instant, default now, as 2026-01-02T03:04:05Z")
    arguments = parser.parse_args()
    if len(arguments.evidence) not in (0, 2):
        parser.error("give a report and a VEK certificate, or nothing")
    now = datetime.now(UTC).replace(microsecond=0)
    pairs: list[Pair]
    if arguments.evidence:
        report, vek = arguments.evidence
        pairs, roots = [(report.read_bytes(), vek.read_bytes())], AMD_ROOTS
    else:
        pairs, roots = simulated(now)
    now = parse_timestamp(arguments.at, what="--at") if arguments.at else now
    rows: list[Callable[[], object]] = [
        lambda: authenticate(pairs[0], roots, now),
        bare(pairs[0], roots, now),
    ]
    if len(pairs) > 1:
        others = itertools.cycle(pairs)
        rows.append(lambda: authenticate(next(others), roots, now))
    medians = alternate(rows, arguments.rounds)
    machine = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"{machine}, cryptography {cryptography.__version__}, {arguments.rounds} rounds, medians")
    labels = ("bytes to authentic report", "bare RSA-PSS + ECDSA", "same, another chip each time")
    for label, median in zip(labels, medians, strict=False):
        print(f"{label:<30} {median:8.1f} us   x {median / medians[1]:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
