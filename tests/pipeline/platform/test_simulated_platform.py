from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pyasn1.codec.der import decoder
from pyasn1.type import univ

from pipeline.platform.cli import main
from pipeline.platform.der_writer import (
    bit_string,
    boolean,
    element,
    ia5_string,
    integer,
    object_identifier,
    octet_string,
    time,
)
from tests.synthetic_amd import synthetic_amd
from verifier.appraisal.authenticate_snp import authenticate_report, authenticate_vek
from verifier.appraisal.findings import Rejected
from verifier.appraisal.snp_crl_checks import CRL_CHECKS, check_revocation
from verifier.appraisal.snp_report_checks import NO_ALLOWANCES
from verifier.evidence.crl import parse_crl
from verifier.evidence.simulated_root import parse_simulated_root
from verifier.evidence.snp_report import parse_report
from verifier.evidence.tcb import Product
from verifier.evidence.vek_certificate import VekKind, parse_vek_certificate
from verifier.roots.amd import AMD_ROOTS

MEASUREMENT, REPORT_DATA, HOST_DATA = b"\x11" * 48, b"\x22" * 64, b"\x33" * 32


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def request(folder: Path, *more: object) -> Result:
    return run(
        "report",
        folder,
        "--measurement",
        MEASUREMENT.hex(),
        "--report-data",
        REPORT_DATA.hex(),
        "-o",
        folder / "report.bin",
        *more,
    )


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("platform") / "milan"
    result = run("init", folder)
    assert result.exit_code == 0, result.output
    assert "SIMULATED Milan platform" in result.stderr
    return folder


def test_a_simulated_report_is_authentic_and_simulated(platform: Path) -> None:
    vek = platform / "out.der"
    result = request(platform, "--host-data", HOST_DATA.hex(), "--vmpl", 2, "--vek-out", vek)
    assert result.exit_code == 0, result.output
    root = parse_simulated_root((platform / "root.json").read_bytes())
    certificate = parse_vek_certificate(vek.read_bytes())
    authentic = authenticate_report(
        parse_report((platform / "report.bin").read_bytes()),
        vek=authenticate_vek(certificate, roots=(root,), offered_ca=(), now=datetime.now(UTC)),
        allowances=NO_ALLOWANCES,
    )
    report = authentic.report
    assert authentic.platform == "simulated"
    assert (report.measurement, report.report_data) == (MEASUREMENT, REPORT_DATA)
    assert (report.host_data, report.vmpl, report.guest_policy.debug) == (HOST_DATA, 2, False)
    with pytest.raises(Rejected) as caught:
        authenticate_vek(certificate, roots=AMD_ROOTS, offered_ca=(), now=datetime.now(UTC))
    assert "SEV-Milan-SIMULATED" in caught.value.got


def test_debug_is_said(platform: Path) -> None:
    assert request(platform, "--debug").exit_code == 0
    assert parse_report((platform / "report.bin").read_bytes()).guest_policy.debug


def test_secrets_are_for_the_owner_only(platform: Path) -> None:
    for name in ("ark-key.pem", "vendor-key.pem", "chip-key.pem"):
        assert stat.S_IMODE((platform / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(platform.stat().st_mode) == 0o700


def test_a_platform_is_not_overwritten(platform: Path) -> None:
    before = (platform / "vendor-key.pem").read_bytes()
    result = run("init", platform)
    assert result.exit_code == 1
    assert "a platform is not overwritten" in result.stderr
    assert (platform / "vendor-key.pem").read_bytes() == before


@pytest.mark.parametrize("value", ["11", "zz" * 48, "11" * 47 + "1", "AA" * 48])
def test_a_value_has_its_size_in_hex(platform: Path, value: str) -> None:
    result = run(
        "report", platform, "--measurement", value, "--report-data", "00" * 64, "-o", "x.bin"
    )
    assert result.exit_code == 2
    assert "96 lower-case hex digits" in result.stderr


def test_a_foreign_chip_key_is_refused(platform: Path, tmp_path: Path) -> None:
    assert run("init", tmp_path / "other").exit_code == 0
    (tmp_path / "other" / "vek.der").write_bytes((platform / "vek.der").read_bytes())
    result = request(tmp_path / "other")
    assert result.exit_code == 1
    assert "does not belong to vek.der" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("root.json", None, "Error: [Errno 2] No such file or directory: '{}/root.json'"),
        ("root.json", b"{", "Error: SNP root: "),
        ("vendor-key.pem", b"no key", "Error: {}/vendor-key.pem is no private key without a pass"),
    ],
)
def test_an_unusable_file_is_said_in_one_line(
    platform: Path, tmp_path: Path, name: str, content: bytes | None, line: str
) -> None:
    folder = tmp_path / "spoiled"
    shutil.copytree(platform, folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    result = run("serve", folder, "--socket", tmp_path / "s", "--measurement", "11" * 48)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(line.format(folder))
    assert result.stderr.count("\n") == 1


def test_the_platform_is_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.platform", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert "SIMULATED secure processor" in done.stdout


def test_turin_is_made_too(tmp_path: Path) -> None:
    assert run("init", tmp_path / "t", "--product", "Turin").exit_code == 0
    certificate = parse_vek_certificate((tmp_path / "t" / "vek.der").read_bytes())
    assert str(certificate.tcb) == "fmc1 bl1 tee1 snp4 uc81"
    assert certificate.hw_id is not None
    assert len(certificate.hw_id) == 8


@pytest.mark.parametrize(
    ("file", "product", "kind"),
    [
        ("milan-v3-vcek-dstack-*.der", Product.MILAN, VekKind.VCEK),
        ("milan-v3-vlek-*.der", Product.MILAN, VekKind.VLEK),
        ("genoa-v5-vcek-*.der", Product.GENOA, VekKind.VCEK),
        ("turin-v5-vcek-*.der", Product.TURIN, VekKind.VCEK),
    ],
)
def test_a_simulated_certificate_has_the_shape_of_a_genuine_one(
    vectors: Path, file: str, product: Product, kind: VekKind
) -> None:
    genuine = next((vectors / "snp" / "certs").glob(file)).read_bytes()
    assert shape(synthetic_amd(product, kind).vek()) == shape(genuine)


def shape(der: bytes) -> object:
    """The nesting of a value as pyasn1 sees it: types and object identifiers."""

    def walk(value: object) -> object:
        if isinstance(value, univ.ObjectIdentifier):
            return str(value)
        if isinstance(value, univ.SequenceOf | univ.Sequence | univ.SetOf | univ.Set):
            return [walk(value.getComponentByPosition(place)) for place in range(len(value))]
        return type(value).__name__

    return walk(decoder.decode(der)[0])


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, 65535, 2**64])
def test_integers_are_written_in_the_shortest_form(value: int) -> None:
    assert decoder.decode(integer(value)) == (value, b"")
    assert integer(value) == b"\x02" + bytes((len(integer(value)) - 2,)) + integer(value)[2:]
    assert len(integer(value)) == 3 + value.bit_length() // 8


def test_the_writer_writes_what_pyasn1_reads() -> None:
    assert decoder.decode(octet_string(b"x" * 300))[0].asOctets() == b"x" * 300
    assert decoder.decode(bit_string(b"\x80"))[0].asOctets() == b"\x80"
    assert str(decoder.decode(ia5_string("abc"))[0]) == "abc"
    assert bool(decoder.decode(boolean(value=True))[0])
    assert boolean(value=False) == b"\x01\x01\x00"
    arcs = (1, 3, 6, 1, 4, 1, 3704, 1, 3, 128)
    assert decoder.decode(object_identifier(arcs))[0].asTuple() == arcs
    assert element(0x04, b"x" * 200)[:3] == b"\x04\x81\xc8"
    assert time(datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC))[:1] == b"\x17"
    late = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC) + timedelta(seconds=1)
    assert time(late) == b"\x18\x0f20500101000000Z"


def revocation(folder: Path, *arguments: object) -> dict[str, str]:
    """Statuses of the CRL checks, by check, of a list that the platform issued just now."""
    out = folder / "crl.der"
    result = run("crl", folder, "-o", out, *arguments)
    assert result.exit_code == 0, result.output
    root = parse_simulated_root((folder / "root.json").read_bytes())
    findings = check_revocation(
        out.read_bytes(), root=root, now=datetime.now(UTC), demand="fresh", not_checked=""
    )
    return {finding.check: str(finding.status) for finding in findings}


def test_the_platform_issues_revocation_lists(platform: Path) -> None:
    assert revocation(platform, "--number", 3) == dict.fromkeys(CRL_CHECKS, "pass")
    assert parse_crl((platform / "crl.der").read_bytes()).number == 3
    revoked = revocation(platform, "--revoke-signer")
    assert [check for check, status in revoked.items() if status == "fail"] == [
        "snp.chain.revocation"
    ]
    stale = revocation(platform, "--days-ago", 400)
    assert [check for check, status in stale.items() if status == "fail"] == ["snp.crl.freshness"]


def test_another_key_issues_no_revocation_list(platform: Path, tmp_path: Path) -> None:
    for name in ("root.json", "ark-key.pem"):
        shutil.copy(platform / name, tmp_path / name)
    shutil.copy(platform / "chip-key.pem", tmp_path / "ark-key.pem")
    result = run("crl", tmp_path, "-o", tmp_path / "crl.der")
    assert result.exit_code == 1
    assert result.stderr == "Error: ark-key.pem does not belong to root.json\n"
    assert not (tmp_path / "crl.der").exists()
