"""Fetching from a KDS that answers well, late, wrongly, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.synthetic_amd import CSP_ID, NOW, SyntheticAmd, synthetic_amd
from tests.verifier.fetch.fake_kds import FakeKds, fake_kds
from tests.verifier.tlog.rejection import rejects
from verifier.errors import FetchError, UnsupportedError
from verifier.evidence.der import MAX_CERTIFICATE_SIZE
from verifier.evidence.snp_report import AttestationReport, parse_report
from verifier.evidence.tcb import Product, Tcb
from verifier.evidence.vek_certificate import VekKind
from verifier.fetch import http as http_module
from verifier.fetch.amd_kds import AMD_KDS, CRL_AGE, AmdKds, candidate_products, hw_id_of
from verifier.fetch.kds_cache import KdsCache

MILAN, TURIN = synthetic_amd(), synthetic_amd(Product.TURIN)
MILAN_VEK, TURIN_VEK = MILAN.vek(), TURIN.vek()
MILAN_PATH = f"/vcek/v1/Milan/{MILAN.hw_id.hex()}?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219"
CRL_PATH = "/vcek/v1/Milan/crl"


@dataclass
class Client:
    server: FakeKds
    kds: AmdKds
    folder: Path
    waited: list[float]
    said: list[str]

    def vcek(self, amd: SyntheticAmd = MILAN) -> bytes:
        return self.kds.fetch_vcek(product=amd.vendor.product, hw_id=amd.hw_id, tcb=amd.tcb)

    def crl(self) -> bytes:
        return self.kds.fetch_crl(Product.MILAN, VekKind.VCEK, now=NOW)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    waited: list[float] = []
    said: list[str] = []
    folder = tmp_path / "cache"
    with fake_kds() as server:
        kds = AmdKds(
            url=server.url, cache=KdsCache(folder), wait=waited.append, progress=said.append
        )
        yield Client(server, kds, folder, waited, said)


def test_a_vcek_is_asked_for_once_and_kept(client: Client) -> None:
    client.server.answer(MILAN_PATH, MILAN.vek())
    assert client.vcek() == client.vcek()
    assert client.server.asked == [MILAN_PATH]
    (kept,) = client.folder.rglob("*.der")
    name = f"vcek/Milan/{MILAN.hw_id.hex()}/bl4-tee0-snp24-uc219.der"
    assert kept.relative_to(client.folder).as_posix() == name
    assert (client.waited, client.said) == ([], [])


def test_turin_is_asked_for_by_eight_bytes_and_with_fmc(client: Client) -> None:
    path = "/vcek/v1/Turin/0102030405060708?fmcSPL=01&blSPL=01&teeSPL=01&snpSPL=04&ucodeSPL=81"
    client.server.answer(path, TURIN_VEK)
    assert client.vcek(TURIN) == TURIN_VEK
    assert client.server.asked == [path]


GENUINE = {
    "milan-v2-vcek-go-sev-guest-377e62": "blSPL=02&teeSPL=00&snpSPL=05&ucodeSPL=68",
    "milan-v3-vcek-dstack-a20e02": "blSPL=04&teeSPL=00&snpSPL=23&ucodeSPL=213",
    "genoa-v5-vcek-attestation-rs-7ea4da": "blSPL=10&teeSPL=00&snpSPL=27&ucodeSPL=27",
    "turin-v5-vcek-ms-tav-85da70": "fmcSPL=01&blSPL=01&teeSPL=01&snpSPL=04&ucodeSPL=81",
}


@pytest.mark.parametrize("stem", GENUINE)
def test_genuine_certificates_are_found_by_their_reports(
    client: Client, vectors: Path, stem: str
) -> None:
    report = parse_report((vectors / "snp" / "reports" / f"{stem}.bin").read_bytes())
    der = (vectors / "snp" / "certs" / f"{stem}.vcek.der").read_bytes()
    product = Product(stem.split("-", maxsplit=1)[0].capitalize())
    hw_id = report.chip_id[: 8 if product is Product.TURIN else 64].hex()
    path = f"/vcek/v1/{product}/{hw_id}?{GENUINE[stem]}"
    client.server.answer(path, der)
    products = candidate_products(report)
    assert products[0] is product
    assert client.kds.fetch_vcek_of(report, products) == der
    assert client.server.asked == [path]


def test_the_address_is_amds() -> None:
    assert AMD_KDS == "https://kdsintf.amd.com"


def test_a_kept_file_that_is_damaged_is_fetched_again(client: Client) -> None:
    client.server.answer(MILAN_PATH, MILAN.vek())
    der = client.vcek()
    (kept,) = client.folder.rglob("*.der")
    for damage in (b"", der[:-1], TURIN.vek(), bytes(100_000)):
        kept.write_bytes(damage)
        assert client.vcek() == der
    assert client.server.asked == [MILAN_PATH] * 5
    assert kept.read_bytes() == der


BAD_ANSWERS: dict[str, tuple[bytes, int, dict[str, str], str, str]] = {
    "another chip": (
        MILAN.vek(identity=b"\7" * 64),
        200,
        {},
        "a VCEK of 0102030405060708… with bl4 tee0 snp24 uc219",
        "a VCEK of 0707070707070707… with bl4 tee0 snp24 uc219",
    ),
    "another TCB": (
        MILAN.vek(tcb=Tcb(None, 4, 0, 23, 219)),
        200,
        {},
        "a VCEK of 0102030405060708…",
        "with bl4 tee0 snp23 uc219",
    ),
    "a VLEK": (
        synthetic_amd(Product.MILAN, VekKind.VLEK).vek(identity=CSP_ID),
        200,
        {},
        "a VCEK of 0102030405060708…",
        "a VLEK of … with",
    ),
    "garbage": (b"\x30\x03hey", 200, {}, "a VCEK of", "VEK certificate: something else"),
    "a page": (
        b"<html>",
        200,
        {"Content-Type": "text/html; charset=utf-8"},
        "a certificate or a CRL",
        "Content-Type 'text/html; charset=utf-8'",
    ),
    "too much": (
        bytes(MAX_CERTIFICATE_SIZE + 1),
        200,
        {},
        f"at most {MAX_CERTIFICATE_SIZE} bytes",
        "more",
    ),
    "moved": (b"", 302, {"Location": "/elsewhere"}, "status 200", "status 302"),
    "an error": (b"\x1b[2Joops", 500, {}, "status 200", r"status 500: b'\x1b[2Joops'"),
    "asked to wait for long": (
        b"",
        429,
        {"Retry-After": "3600"},
        "to be asked to wait at most 60 s",
        "Retry-After: 3600",
    ),
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
def test_what_was_not_asked_for_is_refused_and_not_kept(client: Client, case: str) -> None:
    body, status, headers, expected, got = BAD_ANSWERS[case]
    client.server.answer(MILAN_PATH, body, status=status, headers=headers)
    with pytest.raises(FetchError) as caught:
        client.vcek()
    assert caught.value.what == client.server.url + MILAN_PATH
    assert expected in caught.value.expected
    assert got in caught.value.got
    assert list(client.folder.rglob("*.der")) == []
    assert client.server.asked == [MILAN_PATH]


@pytest.mark.parametrize("status", [400, 404])
def test_a_chip_that_the_service_does_not_know(client: Client, status: int) -> None:
    client.server.answer(MILAN_PATH, b"", status=status)
    expected = "a VCEK of Milan 0102030405060708… with bl4 tee0 snp24 uc219"
    with rejects(FetchError, client.server.url, expected=expected, got="none"):
        client.vcek()


def test_a_busy_service_is_waited_for_as_long_as_it_says(client: Client) -> None:
    client.server.answer(MILAN_PATH, b"", status=429, headers={"Retry-After": "7"})
    client.server.answer(MILAN_PATH, b"", status=503, headers={"Retry-After": "0"})
    client.server.answer(MILAN_PATH, b"", status=429, headers={"Retry-After": "Sat, 21 Nov 2026"})
    client.server.answer(MILAN_PATH, b"", status=429)
    client.server.answer(MILAN_PATH, MILAN_VEK)
    assert client.vcek() == MILAN_VEK
    assert client.waited == [7, 20, 40, 60]
    url = client.server.url + MILAN_PATH
    assert client.said[0] == f"{url}: busy, waiting 7 s (1 of 6)"
    assert client.said[-1] == f"{url}: busy, waiting 60 s (4 of 6)"


def test_waiting_ends(client: Client) -> None:
    client.server.answer(MILAN_PATH, b"", status=429)
    url = client.server.url + MILAN_PATH
    with pytest.raises(FetchError) as caught:
        client.vcek()
    assert (caught.value.what, caught.value.expected) == (url, "an answer")
    assert caught.value.got == "status 429, 6 times"
    assert caught.value.hint == "try again in some minutes"
    assert client.waited == [10, 20, 40, 60, 60]
    assert len(client.server.asked) == 6


def test_a_service_that_is_silent(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "DEFAULT_TIMEOUT", 0.2)
    client.server.answer(MILAN_PATH, b"", headers={"X-Slow": "1"})
    with rejects(
        FetchError, client.server.url + MILAN_PATH, expected="an answer", got="nothing within 0.2 s"
    ):
        client.vcek()


def test_the_chain_comes_as_it_is(client: Client) -> None:
    client.server.answer("/vlek/v1/Genoa/cert_chain", b"PEM")
    assert client.kds.fetch_cert_chain(Product.GENOA, VekKind.VLEK) == b"PEM"


def test_a_crl_is_kept_for_a_day(client: Client) -> None:
    first, second = MILAN.crl(), MILAN.crl(revoked=((1, NOW),))
    client.server.answer(CRL_PATH, first)
    client.server.answer(CRL_PATH, second)
    assert client.crl() == first
    (kept,) = client.folder.rglob("*.der")
    assert kept.relative_to(client.folder).as_posix() == "crl/Milan-VCEK/2026-11-21T12:00:00Z.der"
    at = {"product": Product.MILAN, "kind": VekKind.VCEK}
    for later, expected in (
        (timedelta(), first),
        (CRL_AGE - timedelta(seconds=1), first),
        (CRL_AGE, second),
        (CRL_AGE + timedelta(hours=1), second),
    ):
        assert client.kds.fetch_crl(**at, now=NOW + later) == expected  # type: ignore[arg-type] # both enums
    assert client.server.asked == [CRL_PATH] * 2
    assert len(list(client.folder.rglob("*.der"))) == 2


@pytest.mark.parametrize(
    "kept",
    [
        b"damaged",
        MILAN.crl(next_update=NOW - timedelta(seconds=1)),
        MILAN.crl(this_update=NOW + timedelta(seconds=1)),
    ],
)
def test_a_kept_crl_that_is_damaged_or_not_current_is_fetched_again(
    client: Client, kept: bytes
) -> None:
    KdsCache(client.folder).keep_crl(
        kept, product=Product.MILAN, kind=VekKind.VCEK, now=NOW - timedelta(hours=1)
    )
    current = MILAN.crl()
    client.server.answer(CRL_PATH, current)
    assert client.crl() == current
    assert client.server.asked == [CRL_PATH]


def test_a_crl_of_the_future_hides_none_of_today(client: Client) -> None:
    cache, kept = KdsCache(client.folder), MILAN.crl()
    for fetched, content in (
        (NOW - timedelta(hours=1), kept),
        (NOW + timedelta(days=99), MILAN.crl(revoked=((1, NOW),))),
    ):
        cache.keep_crl(content, product=Product.MILAN, kind=VekKind.VCEK, now=fetched)
    assert client.crl() == kept
    assert client.server.asked == []


def test_files_in_the_cache_that_are_not_ours_do_not_count(client: Client) -> None:
    folder = client.folder / "crl" / "Milan-VCEK"
    folder.mkdir(parents=True)
    (folder / "notes.der").write_bytes(b"")
    (folder / "2026-11-21T11:00:00Z.der").mkdir()
    client.server.answer(CRL_PATH, MILAN.crl())
    client.crl()
    assert client.server.asked == [CRL_PATH]


def test_what_is_no_crl(client: Client) -> None:
    client.server.answer(CRL_PATH, MILAN.vek())
    url = client.server.url + CRL_PATH
    with rejects(FetchError, url, expected="a CRL", got="CRL: something else"):
        client.crl()
    client.server.answers.clear()
    with rejects(FetchError, url, expected="status 200", got="status 404: b'Not Found'"):
        client.crl()
    assert list(client.folder.rglob("*.der")) == []


def test_a_cache_that_cannot_be_written(client: Client) -> None:
    client.folder.write_bytes(b"a file")
    client.server.answer(MILAN_PATH, MILAN.vek())
    with pytest.raises(FetchError) as caught:
        client.vcek()
    assert caught.value.expected == "a file in the cache"
    assert caught.value.got in {"Not a directory", "File exists"}


def test_nothing_half_written_is_left(client: Client) -> None:
    client.server.answer(MILAN_PATH, MILAN.vek())
    client.vcek()
    (kept,) = client.folder.rglob("*.der")
    kept.unlink()
    (kept / "folder").mkdir(parents=True)
    with pytest.raises(FetchError) as caught:
        client.vcek()
    assert (caught.value.what, caught.value.got) == (str(kept), "Is a directory")
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def report(amd: SyntheticAmd = MILAN, **changes: object) -> AttestationReport:
    return parse_report(amd.report(**changes))


def test_the_report_says_its_product_from_version_3_on() -> None:
    for product in Product:
        assert candidate_products(report(synthetic_amd(product), version=3)) == (product,)


def test_in_version_2_candidates_are_asked_in_order(client: Client) -> None:
    genoa = synthetic_amd(Product.GENOA)
    assert candidate_products(report(TURIN, version=2)) == (Product.TURIN,)
    old = report(genoa, version=2)
    products = candidate_products(old)
    assert products == (Product.MILAN, Product.GENOA)
    query = f"{genoa.hw_id.hex()}?blSPL=10&teeSPL=00&snpSPL=27&ucodeSPL=88"
    vek = genoa.vek()
    client.server.answer(f"/vcek/v1/Genoa/{query}", vek)
    assert client.kds.fetch_vcek_of(old, products) == vek
    assert client.server.asked == [f"/vcek/v1/Milan/{query}", f"/vcek/v1/Genoa/{query}"]
    expected = "a VCEK of Milan for this CHIP_ID and REPORTED_TCB"
    with rejects(FetchError, client.server.url, expected=expected, got="none"):
        client.kds.fetch_vcek_of(old, (Product.MILAN,))


def test_a_cpu_of_no_known_product() -> None:
    unknown = parse_report(MILAN.patched(0x188, b"\x1a\x50", version=3))
    with rejects(
        UnsupportedError, "CPUID", expected="Milan, Genoa or Turin", got="family 0x1a, model 0x50"
    ):
        candidate_products(unknown)


def test_no_certificate_can_be_asked_for_without_a_chip() -> None:
    masked = report(chip_id=bytes(64))
    with rejects(FetchError, "VCEK", expected="a CHIP_ID to ask for", got="zeros: the host"):
        hw_id_of(masked, Product.MILAN)
    with pytest.raises(FetchError) as caught:
        hw_id_of(report(synthetic_amd(Product.MILAN, VekKind.VLEK)), Product.MILAN)
    assert caught.value.got == "SIGNING_KEY 1"
    assert caught.value.hint.endswith("its certificate comes with the evidence")
