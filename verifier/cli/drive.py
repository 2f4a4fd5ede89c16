"""``cvm-audit drive``: boot a logged release here, judge its evidence, and try its promises."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from verifier.cli.bringing import brought
from verifier.cli.brought import Brought
from verifier.cli.drive_options import log_options, require_consistent
from verifier.cli.drive_plans import (
    Elsewhere,
    RulesOf,
    boot_plan,
    path_plan,
    read_elsewhere,
    read_rules,
)
from verifier.cli.files import read_file, write_directory, write_file
from verifier.cli.judging import Judging, judging_options, load_release_policy
from verifier.cli.telling import tell, telling
from verifier.errors import PolicyError
from verifier.evidence.bundle_tar import encode_bundle_tar

if TYPE_CHECKING:  # loads TLS, an extra
    from verifier.drive.direct import Drive

__all__ = ["drive"]

_EXTRA = {"OpenSSL": "node", "h11": "node"}
_PATH_EXTRA = {"pyhpke": "path", "starlette": "path", "uvicorn": "path"}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@log_options
@click.option("--release", type=_FOLDER, help="As `release fetch` writes it, in place of --log.")
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
def drive(**options: Any) -> None:
    """Boot a logged release on this machine, ask it through the private path, and judge.

    With --log a log and a policy are enough: the newest release that the policy wants is taken
    from it, judged before anything of it is fetched, and brought by digest or, with --rebuild,
    built from its source; so are the keys of the path.

    Two machines of the release stand behind key CDN, issuer, relay and gateway, every hop between
    them is watched, and the promises of the path are tried. Needs QEMU. The firmware holds
    the boot to the hashes of the release in emulation too; the secure processor is simulated, so
    the policy must say `platform = "simulated"`. The verdict names the level that was reached.
    """
    require_consistent(options)
    bundle = options["bundle"]
    if bundle is not None and bundle.exists():
        raise click.UsageError(f"--bundle {bundle}: it exists already")
    judging = Judging.of(options)
    if judging.nonce is not None:
        raise click.UsageError("--nonce: a drive sends a new one of its own")
    _require_extra(_EXTRA if options["direct"] else _EXTRA | _PATH_EXTRA)
    policy = None if options["log"] is None else load_release_policy(options["policy"])
    rules, elsewhere = read_rules(judging, options), read_elsewhere(options)
    with brought(judging, options, policy=policy) as found:
        driven = _driven(rules, found, elsewhere, options)
        if bundle is not None:
            _write(bundle, driven.bundle)
        kept = ("verify", str(bundle), "--policy", options["policy"])
        found.conclude(driven.verdict, command=kept if bundle and driven.bundle else None)


def _driven(
    rules_of: RulesOf, found: Brought, elsewhere: Elsewhere | None, options: Mapping[str, Any]
) -> Drive:
    rules = rules_of(read_file(found.release / "entry.json"))
    with telling() as say:
        if options["direct"]:
            from verifier.drive.direct import drive_direct  # noqa: PLC0415 - loads TLS, an extra

            return drive_direct(boot_plan(rules, found, options), say=say)
        from verifier.drive import through  # noqa: PLC0415 - loads TLS, an extra

        if elsewhere is None:
            plan, path = boot_plan(rules, found, options), path_plan(rules, found, options)
            return through.drive_booted_path(plan, path, say=say)
        deployment, bearers = elsewhere
        return through.drive_deployment(rules, deployment, bearers=bearers, say=say)


def _require_extra(needed: Mapping[str, str]) -> None:
    for name, extra in needed.items():
        if find_spec(name) is None:
            expected = f"the extra: pip install 'cvm-audit[{extra}]'"
            raise PolicyError(name, expected=expected, got="it is not installed")


def _write(output: Path, files: Mapping[str, bytes]) -> None:
    if not files:
        tell(f"{output} is not written: no evidence came")
        return
    if output.suffix == ".tar":
        write_file(output, encode_bundle_tar(files))
    else:
        write_directory(output, files)
    tell(f"{output}: {len(files) - 1} members")
