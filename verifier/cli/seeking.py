"""The newest release, and the logged configurations of keys, out of a whole log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from verifier.appraisal.policy import Policy
from verifier.cli.files import read_file
from verifier.cli.whole_log import read_entries
from verifier.errors import FetchError, ParseError, PolicyError
from verifier.fetch.log_files import LogFiles
from verifier.release.key_configuration import (
    PREDICATE_TYPE,
    KeyConfiguration,
    parse_key_configuration,
)
from verifier.release.log_search import LogSearch, Signers, digests_of_keys
from verifier.release.statement import parse_statement
from verifier.tlog.cosignature import open_policy_checkpoint
from verifier.tlog.strict import excerpt

__all__ = ["newest_configuration", "newest_release", "read_configurations", "search_log"]

_ROLES = ("gateway", "issuer")  # whose keys a path needs
_MAX_SHOWN = 8  # versions, where the wanted one is not there
_FOLDER = "key-configuration"  # of `pipeline.keys init`


def search_log(
    log: LogFiles,
    checkpoint: bytes,
    *,
    policy: Policy,
    keys: bool,
    now: datetime,
    say: Callable[[str], None],
) -> LogSearch:
    """Read every entry of the log that ``checkpoint`` commits to, and find what ``policy`` names.

    ``keys`` says whether key configurations are looked for, too. Raises VerificationError for a
    checkpoint of another log, and for entries that are not those that it signed.
    """
    if policy.log is None or policy.release is None or (keys and policy.keys is None):
        message = "a policy that does not say whose entries count"
        raise ValueError(message)
    signed = open_policy_checkpoint(checkpoint, policy=policy.log.tlog)
    release, operators = policy.release, policy.keys if keys else None
    search = LogSearch(
        role=release.role,
        product=release.product,
        signers=Signers(release.publishers, release.publisher_threshold),
        operators=None
        if operators is None
        else Signers(operators.publishers, operators.publisher_threshold),
        now=now,
    )
    say(f"log: {signed.tree.size} entries to read")
    for index, entry in read_entries(log, signed):
        search.add(index, entry)
    return search


def newest_release(
    search: LogSearch,
    *,
    policy: Policy,
    version: str | None,
    where: str,
    say: Callable[[str], None],
) -> int:
    """The index of the newest release, of ``version`` or of any; says which it is, and why.

    Raises FetchError where the log has none.
    """
    found = search.releases(version=version)
    if not found:
        raise _no_release(search, policy=policy, version=version, where=where)
    newest = found[0]
    for release, by in search.withdrawn:
        if version in (None, release.version) and release.rank > newest.rank:
            say(f"entry {release.index}, version {release.version}: withdrawn by entry {by}")
    equal = [each for each in found if each.security_version == newest.security_version]
    of_version = "" if version is None else f" of version {version}"
    why = f"security version {newest.security_version}, the highest of {len(found)}{of_version}"
    if len(equal) > 1:
        why += f"; {len(equal)} have it, and this one was logged last"
    say(f"release: entry {newest.index}, version {newest.version}, {why}")
    return newest.index


def _no_release(
    search: LogSearch, *, policy: Policy, version: str | None, where: str
) -> FetchError:
    wanted = policy.release
    assert wanted is not None  # noqa: S101 - ``search_log`` made sure
    versions = tuple(dict.fromkeys(each.version for each in search.releases(version=None)))
    if versions:
        shown = versions[:_MAX_SHOWN]
        got = f"versions {', '.join(shown)}{' and older ones' if shown != versions else ''}"
    elif search.withdrawn:
        got = f"{len(search.withdrawn)}, and all are withdrawn"
    elif search.unsigned:
        got = f"{search.unsigned} of it, none signed by who counts"
    else:
        got = f"none; releases of {', '.join(search.others) or 'nothing'}"
    product = f"{wanted.product} ({wanted.role})"
    product += "" if version is None else f", version {version},"
    keyids = ", ".join(key.keyid for key in wanted.publishers)
    expected = f"a release of {product} signed by {wanted.publisher_threshold} of {keyids}"
    return FetchError(where, expected=expected, got=got)


def read_configurations(keys: Path) -> tuple[KeyConfiguration, ...]:
    """What a folder of `pipeline.keys init` says of itself. Raises PolicyError (exit 2)."""
    return tuple(_configuration(keys / _FOLDER / f"{role}.json") for role in _ROLES)


def _configuration(path: Path) -> KeyConfiguration:
    raw = read_file(path)
    try:
        statement = parse_statement(raw)
        configuration = parse_key_configuration(statement)
    except ParseError as error:  # the auditor's own file
        what = f"{path}: {error.what}"
        raise PolicyError(what, expected=error.expected, got=error.got) from None
    if statement.predicate_type != PREDICATE_TYPE:
        got = excerpt(statement.predicate_type)
        raise PolicyError(f"{path}: predicate type", expected=PREDICATE_TYPE, got=got)
    return configuration


def newest_configuration(
    search: LogSearch, own: KeyConfiguration, *, where: str, say: Callable[[str], None]
) -> int:
    """The index of the entry with the keys of ``own``: one that is valid, and logged last.

    Raises FetchError where the log has none.
    """
    digests = digests_of_keys(own)
    found = search.configurations(role=own.role, keys=digests)
    if not found:
        by = search.withdrawn_by(digests)
        got = "none by who counts" if by is None else f"one of them is withdrawn by entry {by}"
        expected = f"a key configuration of the {own.role} with exactly {_words(digests)}"
        hint = "publish key-configuration/*.json of --keys: cvm-audit release publish"
        raise FetchError(where, expected=expected, got=got, hint=hint)
    say(f"keys of the {own.role}: entry {found[0].index}")
    return found[0].index


def _words(digests: Iterable[bytes]) -> str:
    return ", ".join(f"key sha256 {digest.hex()}" for digest in sorted(digests))
