"""What there is of one report: named files, the table that the host gave, or fetched on request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from verifier.appraisal.snp_hcl_checks import HclEvidence
from verifier.cli.files import cache_folder, read_file
from verifier.evidence.azure_evidence import parse_azure_evidence
from verifier.evidence.certificate_table import (
    parse_certificate_table,
    split_report,
)
from verifier.evidence.hcl import parse_hcl
from verifier.evidence.snp_report import parse_report
from verifier.evidence.vek_certificate import parse_vek_certificate
from verifier.report.text import one_line
from verifier.roots.snp_root import Product

__all__ = ["Collected", "collected_options", "fetching_options", "with_fetched"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_CONTAINER_OPTIONS = ("hcl", "tpm_quote", "tpm_signature", "tpm_pcrs", "azure")
_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """One report and what belongs to it, as bytes; None where a piece is not there.

    ``authorities`` are CA certificates that came along, which are only ever compared. ``hcl`` is
    Azure's container, and then ``report`` is the one inside. ``arguments`` are the options that
    named all this.
    """

    report: bytes
    hcl: HclEvidence | None
    vek: bytes | None
    authorities: tuple[bytes, ...]
    crl: bytes | None
    arguments: tuple[str, ...]

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Collected:
        """Read the files that ``collected_options`` named. Raises ParseError, UsageError.

        A certificate that is named on the command line goes before one in the table.
        """
        azure = _azure(options)
        hcl = azure.evidence if azure is not None else None
        if (options["report"] is None) == (hcl is None):
            message = "one of --report, --hcl and --azure names the evidence"
            raise click.UsageError(message)
        if hcl is not None:
            report, following = parse_hcl(hcl.container).report, None
        else:
            report, following = split_report(read_file(options["report"]))
        given = _read(options["certificates"])
        if following is not None and given is not None:
            message = "--certificates names a table, and one follows the report already"
            raise click.UsageError(message)
        table = following if given is None else parse_certificate_table(given)
        vek = _read(options["vek"])
        if vek is None and azure is not None:
            vek = azure.vek
        authorities = tuple(read_file(path) for path in options["authorities"])
        if table is not None:
            click.echo(
                f"cvm-audit: certificate table: {', '.join(table.names) or 'empty'}", err=True
            )
            vek = vek if vek is not None else table.vek_of(report)
            authorities += table.authorities
        return cls(
            report=report,
            hcl=hcl,
            vek=vek,
            authorities=authorities,
            crl=_read(options["crl"]),
            arguments=_arguments(options),
        )


def with_fetched(collected: Collected, options: Mapping[str, Any]) -> Collected:
    """With ``--fetch``, get the VCEK and the CRL that are not there from AMD's service.

    Raises FetchError (exit 3), and ParseError or UnsupportedError for evidence that does not say
    what to ask for.
    """
    if not options["fetch"]:
        return collected
    # Slow to load, and only whoever fetches needs the network.
    from verifier.fetch.amd_kds import AMD_KDS, AmdKds, candidate_products  # noqa: PLC0415
    from verifier.fetch.kds_cache import KdsCache  # noqa: PLC0415 - as above

    kds = AmdKds(
        url=(options["kds"] or AMD_KDS).rstrip("/"),
        cache=KdsCache(options["cache"] or cache_folder("kds")),
        wait=time.sleep,
        progress=_say,
    )
    vek = collected.vek
    if vek is None:
        report = parse_report(collected.report)
        named = options["product"]
        products = (Product(named),) if named is not None else candidate_products(report)
        vek = kds.fetch_vcek_of(report, products)
        _say(f"VCEK: {len(vek)} bytes")
    crl = collected.crl
    if crl is None:
        certificate = parse_vek_certificate(vek)
        crl = kds.fetch_crl(certificate.product, certificate.kind, now=datetime.now(UTC))
        _say(f"CRL of {certificate.product}: {len(crl)} bytes")
    return replace(collected, vek=vek, crl=crl)


def collected_options(command: _Command) -> _Command:
    """Add the options that name a report and what belongs to it."""
    options = (
        click.option(
            "--report",
            type=_FILE,
            help="SNP report, 1184 bytes, as received; a certificate table may follow it.",
        ),
        click.option(
            "--certificates",
            type=_FILE,
            help="The host's certificate table (GHCB; auxblob of Linux's configfs).",
        ),
        click.option("--vek", type=_FILE, help="VCEK or VLEK certificate, DER."),
        click.option(
            "--ca",
            "authorities",
            multiple=True,
            type=_FILE,
            help="CA certificate that came along, DER. Only compared with the pinned one.",
        ),
        click.option("--crl", type=_FILE, help="The vendor's revocation list, DER."),
        click.option("--hcl", type=_FILE, help="Azure's HCL container, instead of a report."),
        click.option("--tpm-quote", type=_FILE, help="With --hcl: TPMS_ATTEST of the quote."),
        click.option("--tpm-signature", type=_FILE, help="With --hcl: its signature."),
        click.option("--tpm-pcrs", type=_FILE, help="With --hcl: 24 SHA-256 registers, 768 bytes."),
        click.option("--azure", type=_FILE, help="All of these in Azure's JSON, with the VCEK."),
    )
    return _added(options, command)


def fetching_options(command: _Command) -> _Command:
    """Add the options of fetching what is missing."""
    options = (
        click.option("--fetch", is_flag=True, help="Get a missing VCEK and CRL from AMD's KDS."),
        click.option(
            "--product",
            type=click.Choice([str(product) for product in Product]),
            help="Where a report of version 2 does not say it; default: Milan, then Genoa.",
        ),
        click.option("--kds", metavar="URL", help="Another service than AMD's, such as a mirror."),
        click.option(
            "--cache",
            type=click.Path(file_okay=False, path_type=Path),
            help="Where fetched files are kept; default: cvm-audit/kds in XDG_CACHE_HOME.",
        ),
    )
    return _added(options, command)


def _added(options: tuple[Callable[[_Command], _Command], ...], command: _Command) -> _Command:
    for option in reversed(options):
        command = option(command)
    return command


def _read(path: Path | None) -> bytes | None:
    return read_file(path) if path is not None else None


@dataclass(frozen=True, slots=True)
class _Azure:
    evidence: HclEvidence
    vek: bytes | None


def _azure(options: Mapping[str, Any]) -> _Azure | None:
    given = [name for name in _CONTAINER_OPTIONS if options[name] is not None]
    if not given:
        return None
    if options["azure"] is not None:
        if given != ["azure"]:
            message = "--azure names a document that holds all the others"
            raise click.UsageError(message)
        parts = parse_azure_evidence(read_file(options["azure"]))
        pcrs = b"".join(parts.pcrs)
        evidence = HclEvidence(
            container=parts.hcl, quote=parts.quote, signature=parts.signature, pcrs=pcrs
        )
        return _Azure(evidence, parts.vek)
    if options["hcl"] is None:
        message = f"--{given[0].replace('_', '-')} belongs to a container: --hcl"
        raise click.UsageError(message)
    evidence = HclEvidence(
        container=read_file(options["hcl"]),
        quote=_read(options["tpm_quote"]),
        signature=_read(options["tpm_signature"]),
        pcrs=_read(options["tpm_pcrs"]),
    )
    return _Azure(evidence, None)


def _arguments(options: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("report", "certificates", "vek", "crl", *_CONTAINER_OPTIONS)
    single = [
        (f"--{name.replace('_', '-')}", options[name])
        for name in names
        if options[name] is not None
    ]
    named = [*single, *(("--ca", path) for path in options["authorities"])]
    return tuple(str(part) for pair in named for part in pair)


def _say(text: str) -> None:
    click.echo(f"cvm-audit: {one_line(text)}", err=True)
