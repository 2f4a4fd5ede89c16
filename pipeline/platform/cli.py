"""The command line of the simulated platform: ``init`` once, then ``serve`` or ``report``."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP384R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pipeline.platform.secure_processor import (
    CHIP_ID_SIZE,
    CURRENT_TCB,
    Launch,
    launch_guest,
)
from pipeline.platform.serve import answer_guests, listening
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
from verifier.tlog.strict import parse_decimal, parse_hex

__all__ = ["main"]

_ROOT, _VEK = "root.json", "vek.der"
_ARK_KEY, _VENDOR_KEY, _CHIP_KEY = "ark-key.pem", "vendor-key.pem", "chip-key.pem"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_POLICY, _POLICY_DEBUG, _POLICY_MIGRATE_MA = 0x30000, 1 << 19, 1 << 18


def _hex(
    size: int,
) -> Callable[[click.Context, click.Parameter, str | None], bytes | None]:
    """A callback that reads exactly ``size`` bytes of lower-case hex; else a usage error."""

    def convert(
        _context: click.Context, parameter: click.Parameter, value: str | None
    ) -> bytes | None:
        try:
            return None if value is None else parse_hex(value, what="value", size=size)
        except AuditError as error:
            raise click.BadParameter(str(error), param=parameter) from None

    return convert


class _Platform(click.Group):
    """Says what is wrong with a file in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (AuditError, OSError) as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Platform)
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
        tcb=CURRENT_TCB[line],
        identity=secrets.token_bytes(CHIP_ID_SIZE[line]),
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
    key = _private_key(directory / _ARK_KEY)
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
        policy=_POLICY | (_POLICY_DEBUG if debug else 0),
        tcb=certificate.tcb,
        chip_id=certificate.hw_id or b"",
        report_id=secrets.token_bytes(32),
    )
    out.write_bytes(sign_report(encode_signed_part(fields), key=_chip_key(directory, certificate)))
    if vek_out is not None:
        vek_out.write_bytes(vek)


@main.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--socket", "path", type=click.Path(path_type=Path), required=True, help="New path.")
@click.option("--measurement", callback=_hex(48), help="Launch digest, instead of the files.")
@click.option("--firmware", type=_FILE, help="OVMF image that the guest is given.")
@click.option("--kernel", type=_FILE, help="Kernel that it is given.")
@click.option("--initrd", type=_FILE, help="Initrd that it is given.")
@click.option("--cmdline-file", "cmdline", type=_FILE, help="File with the command line.")
@click.option("--vcpus", type=click.IntRange(1, 512), default=1, help="Number of vCPUs.")
@click.option("--vcpu-type", default="EPYC-Milan", metavar="TYPE", help="QEMU vCPU type.")
@click.option("--host-data", callback=_hex(32), default="00" * 32, help="HOST_DATA.")
@click.option("--vmpl", type=click.IntRange(0, 3), default=0, help="Requesting privilege level.")
@click.option("--debug", is_flag=True, help="Set POLICY.DEBUG.")
@click.option("--migrate-ma", is_flag=True, help="Set POLICY.MIGRATE_MA.")
@click.option("--chip-id", metavar="HEX", help="Identity of the chip; default: a new one.")
@click.option("--tcb", metavar="N,N,…", help="[FMC,]BOOTLOADER,TEE,SNP,MICROCODE of the chip.")
def serve(directory: Path, path: Path, **options: Any) -> None:
    """Launch a guest and answer its requests for reports on a Unix socket, until ended.

    The chip's key is new with every start and is not written down. Once the socket is there, one
    line with the measurement in hex goes to stdout.
    """
    root = parse_simulated_root((directory / _ROOT).read_bytes())
    vendor_key = _private_key(directory / _VENDOR_KEY)
    if not isinstance(vendor_key, RSAPrivateKey):
        message = f"{_VENDOR_KEY} is no RSA key"
        raise click.ClickException(message)
    launch = Launch(
        measurement=_measurement(options),
        policy=_POLICY
        | (_POLICY_DEBUG if options["debug"] else 0)
        | (_POLICY_MIGRATE_MA if options["migrate_ma"] else 0),
        host_data=options["host_data"],
        vmpl=options["vmpl"],
        tcb=_tcb(options["tcb"], root.product),
        chip_id=_chip_id(options["chip_id"], root.product),
    )
    try:
        processor = launch_guest(launch, root=root, vendor_key=vendor_key, now=datetime.now(UTC))
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    with listening(path) as listener:
        click.echo(launch.measurement.hex())
        answer_guests(listener, processor)


def _measurement(options: dict[str, Any]) -> bytes:
    names = ("firmware", "kernel", "initrd", "cmdline")
    files = {name: options[name] for name in names if options[name] is not None}
    given: bytes | None = options["measurement"]
    if (given is None) != (len(files) == len(names)) or (given is not None and files):
        message = "either --measurement, or all of --firmware, --kernel, --initrd, --cmdline-file"
        raise click.UsageError(message)
    if given is not None:
        return given
    try:
        # Not ours, and needed by no one who gives the measurement.
        from pipeline.platform.measuring import VCPU_TYPES, measure_launch  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "sevsnpmeasure":
            raise
        message = "sev-snp-measure is not installed; it measures the files"
        raise click.ClickException(message) from None
    if options["vcpu_type"] not in VCPU_TYPES:
        message = f"--vcpu-type is one of {', '.join(VCPU_TYPES)}"
        raise click.UsageError(message)
    try:
        return measure_launch(**files, vcpus=options["vcpus"], vcpu_type=options["vcpu_type"])
    except AuditError as error:
        raise click.ClickException(str(error)) from None


def _tcb(text: str | None, product: Product) -> Tcb:
    if text is None:
        return CURRENT_TCB[product]
    try:
        levels = [parse_decimal(part, what="--tcb", maximum=255) for part in text.split(",")]
    except AuditError as error:
        raise click.UsageError(str(error)) from None
    count = 5 if product is Product.TURIN else 4
    if len(levels) != count:
        message = f"--tcb: {product} has {count} levels"
        raise click.UsageError(message)
    fmc = levels.pop(0) if product is Product.TURIN else None
    return Tcb(fmc, *levels)


def _chip_id(text: str | None, product: Product) -> bytes:
    size = CHIP_ID_SIZE[product]
    if text is None:
        return secrets.token_bytes(size)
    try:
        return parse_hex(text, what="--chip-id", size=size)
    except AuditError as error:
        raise click.UsageError(str(error)) from None


def _chip_key(directory: Path, certificate: VekCertificate) -> EllipticCurvePrivateKey:
    key = _private_key(directory / _CHIP_KEY)
    if not isinstance(key, EllipticCurvePrivateKey) or key.public_key() != certificate.public_key:
        message = f"{_CHIP_KEY} does not belong to {_VEK}"
        raise click.ClickException(message)
    return key


def _private_key(path: Path) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(path.read_bytes(), password=None)
    except (TypeError, UnsupportedAlgorithm, ValueError):  # TypeError: it has a password
        message = f"{path} is no private key without a password"
        raise click.ClickException(message) from None


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
