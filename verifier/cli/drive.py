"""``cvm-audit drive``: boot a logged release here, judge its evidence, and try its promises."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from verifier.appraisal.policy import parse_policy
from verifier.cli.files import read_file, write_directory, write_file
from verifier.cli.judging import (
    Judging,
    judging_options,
    load_roots,
    load_trusted_root,
    policy_bytes,
)
from verifier.cli.telling import tell, telling
from verifier.drive.artifacts import read_artifacts
from verifier.drive.chat_file import MAX_CHAT, parse_chat
from verifier.drive.plan import PathPlan, Plan, Rules
from verifier.drive.qemu import Shape
from verifier.errors import ParseError, PolicyError
from verifier.evidence.bundle_tar import encode_bundle_tar
from verifier.measurement.sev_snp import VCPU_SIGNATURES
from verifier.tlog.strict import parse_utf8
from verifier.wire.service import SummaryRequest

if TYPE_CHECKING:  # loads TLS, an extra
    from verifier.client.deployment import Deployment
    from verifier.drive.direct import Drive

__all__ = ["drive"]

_EXTRA = {"OpenSSL": "node", "h11": "node"}
_PATH_EXTRA = {"pyhpke": "path", "starlette": "path", "uvicorn": "path"}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_BOOTS = ("artifacts", "platform")
_PATH = ("keys", "logged_keys")
_ELSEWHERE = ("deployment", "accounts")
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{16,256}=*")  # RFC 6750 section 2.1
_MAX_ACCOUNTS = 4096  # bytes of the file


@click.command()
@click.option("--release", required=True, type=_FOLDER, help="As `release fetch` writes it.")
@click.option("--artifacts", type=_FOLDER, help="The files that it names, to boot.")
@click.option("--policy", required=True, metavar="FILE|NAME", help="The auditor's own policy.")
@click.option("--platform", type=_FOLDER, help="A simulated platform (init).")
@click.option("--keys", type=_FOLDER, help="Keys of a path (pipeline.keys init); only read.")
@click.option(
    "--logged-keys",
    type=_FOLDER,
    multiple=True,
    help="entry.json and entry.tlog-proof of a key configuration; repeatable.",
)
@click.option("--direct", is_flag=True, help="Straight to the CVM: no relay, no gateway.")
@click.option(
    "--deployment", type=_FILE, help="What somebody else runs: deployment.json; at best PARTIAL."
)
@click.option("--accounts", type=_FILE, help="For it: secrets of accounts, one a line.")
@click.option(
    "--tamper/--no-tamper",
    default=True,
    show_default=True,
    help="Boot what must be refused, too; without, the verdict is at best PARTIAL.",
)
@click.option("--process", is_flag=True, help="No machine: the program in a sandbox (PARTIAL).")
@click.option("--crl", type=_FILE, help="CRL of the vendor (DER), for policies that ask for one.")
@click.option(
    "--chat", type=_FILE, help="Lines 'Name: text', also summarised; it stands in the verdict."
)
@click.option("--bundle", type=click.Path(path_type=Path), help="New folder or NAME.tar for it.")
@click.option("--vcpus", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--vcpu-type", default="EPYC-Milan", show_default=True, help="QEMU vCPU type.")
@click.option("--memory", type=click.IntRange(128, 65_536), default=512, show_default=True)
@click.option(
    "--seconds", type=click.IntRange(5, 600), default=90, show_default=True, help="For the boot."
)
@judging_options
def drive(*, bundle: Path | None, **options: Any) -> None:
    """Boot a logged release on this machine, ask it through the private path, and judge.

    Two machines of the release stand behind key CDN, issuer, relay and gateway, every hop between
    them is watched, and the promises of the path are tried. Needs QEMU. The firmware holds
    the boot to the hashes of the release in emulation too; the secure processor is simulated, so
    the policy must say `platform = "simulated"`. The verdict names the level that was reached.
    """
    _require_consistent(options)
    if bundle is not None and bundle.exists():
        raise click.UsageError(f"--bundle {bundle}: it exists already")
    judging = Judging.of(options)
    if judging.nonce is not None:
        raise click.UsageError("--nonce: a drive sends a new one of its own")
    _require_extra(_EXTRA if options["direct"] else _EXTRA | _PATH_EXTRA)
    driven = _driven(judging, options)
    if bundle is not None:
        _write(bundle, driven.bundle)
    judging.conclude(driven.verdict, command=_again(options, bundle if driven.bundle else None))


def _driven(judging: Judging, options: Mapping[str, Any]) -> Drive:
    if options["direct"]:
        from verifier.drive.direct import drive_direct  # noqa: PLC0415 - loads TLS, an extra

        return drive_direct(_plan(judging, options), say=tell)
    from verifier.drive import through  # noqa: PLC0415 - loads TLS, an extra

    with telling() as say:
        if options["deployment"] is None:
            plan, path = _plan(judging, options), _path_plan(judging, options)
            return through.drive_booted_path(plan, path, say=say)
        return through.drive_deployment(
            _rules(judging, options),
            _deployment(options["deployment"]),
            bearers=_bearers(options["accounts"]),
            say=say,
        )


def _require_consistent(options: Mapping[str, Any]) -> None:
    """Each way needs what it needs, and takes nothing that it would not look at."""
    if options["direct"]:
        _require("--direct", options, needed=_BOOTS, unused=(*_PATH, *_ELSEWHERE))
    elif options["deployment"] is not None:
        unused = (*_BOOTS, *_PATH, "process")
        _require("--deployment", options, needed=_ELSEWHERE, unused=unused)
    else:
        way = "a drive through the path"
        _require(way, options, needed=(*_BOOTS, *_PATH), unused=_ELSEWHERE)


def _require(
    way: str, options: Mapping[str, Any], *, needed: Iterable[str], unused: Iterable[str]
) -> None:
    if missing := [name for name in needed if not options[name]]:
        raise click.UsageError(f"{way} needs {_words(missing)}")
    if given := [name for name in unused if options[name]]:
        raise click.UsageError(f"{way} has no use for {_words(given)}")


def _words(names: Iterable[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


def _again(options: Mapping[str, Any], bundle: Path | None) -> tuple[str, ...]:
    """How to judge again: the evidence that is kept, or else the whole drive."""
    if bundle is not None:
        return ("verify", str(bundle), "--policy", options["policy"])
    files = ("release", *_BOOTS, "policy", "keys", *_ELSEWHERE, "crl", "chat")
    numbers = ("vcpus", "vcpu_type", "memory", "seconds")
    given = [
        word
        for name in (*files, *numbers)
        if options[name] is not None
        for word in (f"--{name.replace('_', '-')}", str(options[name]))
    ]
    given += [word for each in options["logged_keys"] for word in ("--logged-keys", str(each))]
    given += ["--process"] if options["process"] else []
    given += [] if options["tamper"] else ["--no-tamper"]
    return ("drive", *(["--direct"] if options["direct"] else []), *given)


def _require_extra(needed: Mapping[str, str]) -> None:
    for name, extra in needed.items():
        if find_spec(name) is None:
            expected = f"the extra: pip install 'cvm-audit[{extra}]'"
            raise PolicyError(name, expected=expected, got="it is not installed")


def _rules(judging: Judging, options: Mapping[str, Any]) -> Rules:
    text = policy_bytes(options["policy"])
    policy = parse_policy(text)
    return Rules(
        entry=read_file(options["release"] / "entry.json"),
        policy=policy,
        policy_text=text,
        crl=None if options["crl"] is None else read_file(options["crl"]),
        roots=load_roots(judging.trust_root),
        trusted_root=load_trusted_root(judging.trust_root, policy),
        now=judging.instant,
        chat=_chat(options["chat"]),
    )


def _chat(path: Path | None) -> SummaryRequest | None:
    if path is None:
        return None
    try:
        return parse_chat(read_file(path, limit=MAX_CHAT))
    except ParseError as error:  # the auditor's own file
        raise PolicyError(error.what, expected=error.expected, got=error.got) from None


def _plan(judging: Judging, options: Mapping[str, Any]) -> Plan:
    if options["vcpu_type"] not in VCPU_SIGNATURES:
        message = f"--vcpu-type is one of {', '.join(VCPU_SIGNATURES)}"
        raise click.UsageError(message)
    return Plan(
        **_fields(_rules(judging, options)),
        artifacts=read_artifacts(options["artifacts"]),
        proof=read_file(options["release"] / "entry.tlog-proof"),
        shape=Shape(
            vcpus=options["vcpus"], vcpu_type=options["vcpu_type"], memory=options["memory"]
        ),
        platform=options["platform"],
        seconds=options["seconds"],
        process=options["process"],
        tamper=options["tamper"],
    )


def _path_plan(judging: Judging, options: Mapping[str, Any]) -> PathPlan:
    rules = _rules(judging, options)
    return PathPlan(**_fields(rules), keys=options["keys"], logged=options["logged_keys"])


def _fields(rules: Rules) -> dict[str, Any]:
    return {field.name: getattr(rules, field.name) for field in fields(rules)}


def _deployment(path: Path) -> Deployment:
    from verifier.client.deployment import (  # noqa: PLC0415 - loads HTTP, an extra
        parse_deployment,
    )

    try:
        return parse_deployment(read_file(path))
    except ParseError as error:  # what the auditor names is nobody's evidence
        raise PolicyError(error.what, expected=error.expected, got=error.got) from None


def _bearers(path: Path) -> tuple[str, ...]:
    lines = parse_utf8(read_file(path, limit=_MAX_ACCOUNTS), what=str(path)).split("\n")
    bearers = tuple(line for line in lines if line)
    if not bearers or not all(_BEARER.fullmatch(line) for line in bearers):
        expected = "lines that are each the secret of an account"
        raise PolicyError(str(path), expected=expected, got="none" if not bearers else "another")
    return bearers


def _write(output: Path, files: Mapping[str, bytes]) -> None:
    if not files:
        tell(f"{output} is not written: no evidence came")
        return
    if output.suffix == ".tar":
        write_file(output, encode_bundle_tar(files))
    else:
        write_directory(output, files)
    tell(f"{output}: {len(files) - 1} members")
