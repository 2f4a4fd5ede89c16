"""AMD's key distribution service (KDS): VCEK certificates, CA certificates and CRLs as bytes.

Source: KDS specification (AMD publication 57230), chapter 4. The service is slow to anger and
quick to limit: about one request in ten seconds for the same arguments, then status 429. So what
never changes is asked for once and kept, and what the service asks us to wait is waited, within
bounds. Nothing here is believed: what comes must have the shape of what was asked for, so that an
error page is not kept for ever, and the judge verifies it like any other evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from verifier.errors import FetchError, ParseError, UnsupportedError
from verifier.evidence.crl import MAX_CRL_SIZE, parse_crl
from verifier.evidence.der import MAX_CERTIFICATE_SIZE
from verifier.evidence.snp_report import AttestationReport
from verifier.evidence.tcb import Product, Tcb, decode_tcb, product_of_cpuid
from verifier.evidence.vek_certificate import parse_vek_certificate
from verifier.fetch.http import Answer, fetch_answer
from verifier.fetch.kds_cache import KdsCache
from verifier.roots.snp_root import VekKind
from verifier.tlog.strict import excerpt, parse_decimal

__all__ = ["AMD_KDS", "CRL_AGE", "AmdKds", "candidate_products", "hw_id_of"]

AMD_KDS = "https://kdsintf.amd.com"
"""Where AMD runs the service."""
CRL_AGE = timedelta(days=1)
"""How long a kept CRL is used: a revocation may be published long before nextUpdate."""

_MAX_CHAIN = 4 * MAX_CERTIFICATE_SIZE  # two certificates in PEM
_BUSY = (429, 503)
_ATTEMPTS = 6
_FIRST_WAIT, _LONGEST_WAIT = 10.0, 60.0  # seconds; doubled where the service names no time
_ABSENT = (400, 404)  # no such chip, or not of this product
_TURIN_HW_ID = 8
_WHAT = "VCEK"


@dataclass(frozen=True, slots=True, kw_only=True)
class AmdKds:
    """The service at ``url`` (without a slash at its end), with a cache.

    ``wait`` sleeps for so many seconds; ``progress`` is told in words before each wait.
    """

    url: str
    cache: KdsCache
    wait: Callable[[float], None]
    progress: Callable[[str], None]

    def fetch_vcek_of(self, report: AttestationReport, products: tuple[Product, ...]) -> bytes:
        """The VCEK of the chip and REPORTED_TCB of ``report``, of the first product that has it.

        ``products`` come from ``candidate_products``, or from the caller who knows. Raises
        FetchError if the service knows none of them, and for the first answer that is no such one.
        """
        for product in products:
            hw_id, tcb = hw_id_of(report, product), decode_tcb(report.reported_tcb, product)
            der = self._vcek(product, hw_id, tcb)
            if der is not None:
                return der
        names = " or ".join(products)
        expected = f"a VCEK of {names} for this CHIP_ID and REPORTED_TCB"
        raise FetchError(self.url, expected=expected, got="none")

    def fetch_vcek(self, *, product: Product, hw_id: bytes, tcb: Tcb) -> bytes:
        """The DER of one VCEK, from the cache if it is there. Raises FetchError."""
        der = self._vcek(product, hw_id, tcb)
        if der is None:
            expected = f"a VCEK of {product} {hw_id.hex()[:16]}… with {tcb}"
            raise FetchError(self.url, expected=expected, got="none")
        return der

    def _vcek(self, product: Product, hw_id: bytes, tcb: Tcb) -> bytes | None:
        kept = self.cache.vcek(product, hw_id, tcb)
        if kept is not None and not _misfit(kept, hw_id, tcb):
            return kept
        path = f"/vcek/v1/{product}/{hw_id.hex()}?{_levels(tcb)}"
        answer = self._ask(path, limit=MAX_CERTIFICATE_SIZE)
        if answer.status in _ABSENT:
            return None
        der = _content(answer, self.url + path)
        misfit = _misfit(der, hw_id, tcb)
        if misfit:
            expected = f"a VCEK of {hw_id.hex()[:16]}… with {tcb}"
            raise FetchError(self.url + path, expected=expected, got=misfit)
        self.cache.keep_vcek(der, product=product, hw_id=hw_id, tcb=tcb)
        return der

    def fetch_cert_chain(self, product: Product, kind: VekKind) -> bytes:
        """The PEM of ASK or ASVK, then ARK; only ever compared with the pinned ones."""
        return self._fetch(f"/{_line(kind)}/v1/{product}/cert_chain", limit=_MAX_CHAIN)

    def fetch_crl(self, product: Product, kind: VekKind, *, now: datetime) -> bytes:
        """The DER of the current CRL; a kept one is used for CRL_AGE, while it is current.

        ``now`` is the clock of this machine, aware. Raises FetchError.
        """
        kept = self.cache.crl(product, kind, now=now)
        if kept is not None and _is_current(kept, now):
            return kept[1]
        path = f"/{_line(kind)}/v1/{product}/crl"
        der = self._fetch(path, limit=MAX_CRL_SIZE)
        try:
            parse_crl(der)
        except (ParseError, UnsupportedError) as error:
            raise FetchError(self.url + path, expected="a CRL", got=str(error)) from None
        self.cache.keep_crl(der, product=product, kind=kind, now=now)
        return der

    def _fetch(self, path: str, *, limit: int) -> bytes:
        return _content(self._ask(path, limit=limit), self.url + path)

    def _ask(self, path: str, *, limit: int) -> Answer:
        url, pause = self.url + path, _FIRST_WAIT
        for attempt in range(1, _ATTEMPTS + 1):
            answer = fetch_answer(url, limit=limit)
            if answer.status not in _BUSY:
                return answer
            if attempt < _ATTEMPTS:
                seconds = _asked_wait(answer, url) or pause
                self.progress(f"{url}: busy, waiting {seconds:g} s ({attempt} of {_ATTEMPTS})")
                self.wait(seconds)
                pause = min(2 * pause, _LONGEST_WAIT)
        got = f"status {answer.status}, {_ATTEMPTS} times"
        raise FetchError(url, expected="an answer", got=got, hint="try again in some minutes")


def candidate_products(report: AttestationReport) -> tuple[Product, ...]:
    """The products that a report may be of, in the order in which the service is asked.

    From version 3 on the report says it by CPUID. In version 2 a Turin's CHIP_ID ends in zeros;
    others are asked for as Milan, then as Genoa, whose TCBs are laid out alike. Raises
    UnsupportedError for a CPUID of no known product.
    """
    if report.cpuid is not None:
        family, model, _ = report.cpuid
        product = product_of_cpuid(family, model)
        if product is None:
            got = f"family {family:#x}, model {model:#x}"
            raise UnsupportedError("CPUID", expected="Milan, Genoa or Turin", got=got)
        return (product,)
    if not any(report.chip_id[_TURIN_HW_ID:]):
        return (Product.TURIN,)
    return (Product.MILAN, Product.GENOA)


def hw_id_of(report: AttestationReport, product: Product) -> bytes:
    """The hwID by which the service knows the chip: CHIP_ID, of Turin its first 8 bytes.

    Raises FetchError for a report that a VLEK signed, whose certificate no one can ask for, and
    for a masked CHIP_ID.
    """
    if report.signing_key != 0:
        hint = "a VLEK is given to cloud providers only: its certificate comes with the evidence"
        got = f"SIGNING_KEY {report.signing_key}"
        raise FetchError(_WHAT, expected="a report that a VCEK signed", got=got, hint=hint)
    if not any(report.chip_id):
        got = "zeros: the host masks it"
        raise FetchError(_WHAT, expected="a CHIP_ID to ask for", got=got)
    return report.chip_id[:_TURIN_HW_ID] if product is Product.TURIN else report.chip_id


def _levels(tcb: Tcb) -> str:
    names = {"fmc": "fmcSPL", "bl": "blSPL", "tee": "teeSPL", "snp": "snpSPL", "uc": "ucodeSPL"}
    return "&".join(f"{names[component]}={level:02}" for component, level in tcb.components())


def _line(kind: VekKind) -> str:
    return kind.lower()


def _misfit(der: bytes, hw_id: bytes, tcb: Tcb) -> str:
    """Why this is not the certificate that was asked for, or nothing."""
    try:
        found = parse_vek_certificate(der)
    except (ParseError, UnsupportedError) as error:
        return str(error)
    if (found.hw_id, found.tcb) == (hw_id, tcb):
        return ""
    return f"a {found.kind} of {(found.hw_id or b'').hex()[:16]}… with {found.tcb}"


def _is_current(kept: tuple[datetime, bytes], now: datetime) -> bool:
    fetched, der = kept
    try:
        crl = parse_crl(der)
    except (ParseError, UnsupportedError):
        return False
    return now < fetched + CRL_AGE and crl.this_update <= now <= crl.next_update


def _asked_wait(answer: Answer, url: str) -> int | None:
    try:
        seconds = parse_decimal(answer.retry_after, what="Retry-After")
    except ParseError:
        return None  # none, or a date: our own pauses serve
    if seconds > _LONGEST_WAIT:
        expected = f"to be asked to wait at most {_LONGEST_WAIT:g} s"
        raise FetchError(url, expected=expected, got=f"Retry-After: {seconds}")
    return seconds


def _content(answer: Answer, url: str) -> bytes:
    if answer.status != 200:
        got = f"status {answer.status}: {excerpt(answer.content)}"
        raise FetchError(url, expected="status 200", got=got)
    if answer.content_type.startswith(("text/html", "application/json")):
        got = excerpt(answer.content_type)
        raise FetchError(url, expected="a certificate or a CRL", got=f"Content-Type {got}")
    return answer.content
