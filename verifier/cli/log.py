"""``cvm-audit log``: hold a transparency log to what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator

import click

from verifier.cli.whole_log import read_entries
from verifier.errors import ParseError, UnsupportedError
from verifier.fetch.log_files import LogFiles
from verifier.release.admission import AdmissionReplay, Rules
from verifier.report.text import one_line
from verifier.tlog.checkpoint import SignedCheckpoint, open_checkpoint
from verifier.tlog.note import VerificationKey, parse_vkey

__all__ = ["log"]

_EXIT_REFUSED = 1
_EXIT_NO_POLICY = 3


@click.group()
def log() -> None:
    """Hold a transparency log to what it says of itself."""


def _vkeys(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[VerificationKey, ...]:
    try:
        return tuple(map(parse_vkey, value))
    except (ParseError, UnsupportedError) as error:
        raise click.BadParameter(str(error), context, parameter) from None


@log.command()
@click.argument("location", metavar="URL|DIR")
@click.option(
    "--vkey", "keys", required=True, multiple=True, callback=_vkeys, help="Key of the log."
)
def admission(location: str, keys: tuple[VerificationKey, ...]) -> None:
    """Read every entry of a log, and hold each against the log policy before it.

    The entries must have the root that the log signed. Prints each policy with its administrators,
    compare them with what the operator published elsewhere; then each entry that was not to be
    admitted, with its index, the rule, what it demands and what is there.

    Exit codes: 0 every entry since the first policy is admitted, 1 one is not, or the log is
    not what it signed, 3 there is no policy in the log, or it could not be read.
    """
    files = LogFiles(location)
    signed = open_checkpoint(files.fetch_checkpoint(), keys=keys)
    replay = AdmissionReplay(origin=signed.origin)
    policies = tuple(_replayed(files, signed, replay))
    click.echo(f"origin {signed.origin}")
    click.echo(f"size {signed.tree.size}")
    click.echo(f"root {signed.tree.root.hex()}")
    for index, rules in policies:
        click.echo(one_line(_described(index, rules)))
    for refused in replay.violations:
        said = f"{refused.rule}: {refused.got} (expected {refused.expected})"
        click.echo(one_line(f"refused entry {refused.index}: {said}"))
    if replay.violations:
        click.echo(f"refused {len(replay.violations)}")
        raise click.exceptions.Exit(_EXIT_REFUSED)
    if not policies:
        click.echo("not determined: no entry is a log policy, and any bytes were admitted")
        raise click.exceptions.Exit(_EXIT_NO_POLICY)
    click.echo(f"admitted: every entry since entry {policies[0][0]}")


def _replayed(
    files: LogFiles, signed: SignedCheckpoint, replay: AdmissionReplay
) -> Iterator[tuple[int, Rules]]:
    """Each policy that came into force, and its index."""
    for index, entry in read_entries(files, signed):
        before = replay.rules
        replay.add(entry)
        if replay.rules is not before:
            yield index, replay.rules


def _described(index: int, rules: Rules) -> str:
    policy = rules.policy
    if policy is None:
        message = "rules that an entry changed have a policy"
        raise ValueError(message)
    administrators = policy.administrators
    names = " ".join(key.keyid for key in administrators.keys)
    return (
        f"policy {policy.sequence} in entry {index}, next by {administrators.threshold} of {names}"
    )
