"""The command line of the simulated platform: ``init`` once, ``report`` as often as needed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP384R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pipeline.platform.simulated_certificate import vek_extensions
from pipeline.platform.simulated_report import ReportFields, encode_signed_part, sign_report
from pipeline.platform.simulated_vendor import (
    generate_ca_key,
    issue_crl,
    issue_vek,
    make_vendor,
    root_document,
    simulated_names,
)
from verifier.errors import AuditError
from verifier.evidence.simulated_root import parse_simulated_root
from verifier.evidence.tcb import Product, Tcb
from verifier.evidence.vek_certificate import VekCertificate, VekKind, parse_vek_certificate
from verifier.tlog.strict import parse_hex

__all__ = ["main"]

_ROOT, _VEK = "root.json", "vek.der"
_ARK_KEY, _VENDOR_KEY, _CHIP_KEY = "ark-key.pem", "vendor-key.pem", "chip-key.pem"
_TCBS = {
    Product.MILAN: Tcb(None, 4, 0, 24, 219),
    Product.GENOA: Tcb(None, 10, 0, 23, 84),
    Product.TURIN: Tcb(1, 1, 1, 4, 81),
}
_CHIP_ID_SIZE = {Product.MILAN: 64, Product.GENOA: 64, Product.TURIN: 8}


def _hex(size: int) -> Callable[[click.Context, click.Parameter, str], bytes]:
    """A callback that reads exactly ``size`` bytes of lower-case hex; else a usage error."""

    def convert(_context: click.Context, parameter: click.Parameter, value: str) -> bytes:
        try:
            return parse_hex(value, what="value", size=size)
        except AuditError as error:
            raise click.BadParameter(str(error), param=parameter) from None

    return convert


@click.group()
def main() -> None:
    """A SIMULATED secure processor. What it signs proves nothing about hardware."""


@main.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--product", type=click.Choice([str(p) for p in Product]), default="Milan")
def init(directory: Path, product: str) -> None:
    """Make the vendor's keys and one chip in DIRECTORY, whose root.json is public."""
    line = Product(product)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # An hour back, so that a verifier with a slow clock does not refuse a new certificate.
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    vendor = make_vendor(
        line,
        VekKind.VCEK,
        names=simulated_names(line, VekKind.VCEK),
        keys=(generate_ca_key(), generate_ca_key()),
        start=start,
    )
    chip_key = generate_private_key(SECP384R1())
    extensions = vek_extensions(
        VekKind.VCEK,
        line,
        product_name=str(line),
        tcb=_TCBS[line],
        identity=secrets.token_bytes(_CHIP_ID_SIZE[line]),
    )
    vek = issue_vek(vendor, public_key=chip_key.public_key(), extensions=extensions, start=start)
    _write_secret(directory / _ARK_KEY, vendor.ark.key)
    _write_secret(directory / _VENDOR_KEY, vendor.signer.key)
    _write_secret(directory / _CHIP_KEY, chip_key)
    (directory / _VEK).write_bytes(vek)
    (directory / _ROOT).write_bytes(root_document(vendor))
    click.echo(f"made a SIMULATED {line} platform in {directory}", err=True)


@main.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--number", type=click.IntRange(1), default=1, help="CRL number.")
@click.option("--days-ago", type=click.IntRange(0), default=0, help="Issue it that long ago.")
@click.option("--revoke-signer", is_flag=True, help="List the CA that signs the chips' keys.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True)
def crl(directory: Path, *, number: int, days_ago: int, revoke_signer: bool, out: Path) -> None:
    """Issue the vendor's revocation list, current for a year."""
    root = parse_simulated_root((directory / _ROOT).read_bytes())
    key = load_pem_private_key((directory / _ARK_KEY).read_bytes(), password=None)
    if not isinstance(key, RSAPrivateKey) or key.public_key() != root.ark.public_key():
        message = f"{_ARK_KEY} does not belong to {_ROOT}"
        raise click.ClickException(message)
    now = datetime.now(UTC).replace(microsecond=0)
    der = issue_crl(
        key,
        issuer=root.ark.subject,
        number=number,
        start=now - timedelta(days=days_ago, hours=1),
        revoked=(root.signer.serial,) if revoke_signer else (),
    )
    out.write_bytes(der)


@main.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--measurement", callback=_hex(48), required=True, help="Launch digest.")
@click.option("--report-data", callback=_hex(64), required=True, help="REPORT_DATA.")
@click.option("--host-data", callback=_hex(32), default="00" * 32, help="HOST_DATA.")
@click.option("--vmpl", type=click.IntRange(0, 3), default=0, help="Requesting privilege level.")
@click.option("--debug", is_flag=True, help="Set POLICY.DEBUG, which a verifier should refuse.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True)
@click.option("--vek-out", type=click.Path(path_type=Path), help="Where the VEK certificate goes.")
def report(
    directory: Path,
    *,
    measurement: bytes,
    report_data: bytes,
    host_data: bytes,
    vmpl: int,
    debug: bool,
    out: Path,
    vek_out: Path | None,
) -> None:
    """Let the chip in DIRECTORY sign a report, as the firmware does for a guest's request."""
    vek = (directory / _VEK).read_bytes()
    certificate = parse_vek_certificate(vek)
    fields = ReportFields(
        product=certificate.product,
        measurement=measurement,
        report_data=report_data,
        host_data=host_data,
        vmpl=vmpl,
        policy=0xB0000 if debug else 0x30000,
        tcb=certificate.tcb,
        chip_id=certificate.hw_id or b"",
        report_id=secrets.token_bytes(32),
    )
    out.write_bytes(sign_report(encode_signed_part(fields), key=_chip_key(directory, certificate)))
    if vek_out is not None:
        vek_out.write_bytes(vek)


def _chip_key(directory: Path, certificate: VekCertificate) -> EllipticCurvePrivateKey:
    key = load_pem_private_key((directory / _CHIP_KEY).read_bytes(), password=None)
    if not isinstance(key, EllipticCurvePrivateKey) or key.public_key() != certificate.public_key:
        message = f"{_CHIP_KEY} does not belong to {_VEK}"
        raise click.ClickException(message)
    return key


def _write_secret(path: Path, key: RSAPrivateKey | EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        # Exclusive, so that a platform is not overwritten, and never readable by others.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        message = f"{path} exists: a platform is not overwritten"
        raise click.ClickException(message) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
