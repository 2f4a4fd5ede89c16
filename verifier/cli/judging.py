"""What every judging verb shares: its options, the clock, the trust roots, and how it ends."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from verifier import __version__
from verifier.appraisal.builtin_policies import BUILT_IN
from verifier.appraisal.policy import MAX_POLICY, Policy, parse_policy
from verifier.appraisal.verdict import EXIT_CODES, Outcome, Verdict
from verifier.cli.files import read_file
from verifier.cli.rendering import Rendering, rendering_options
from verifier.errors import ParseError, PolicyError, UnsupportedError
from verifier.evidence.report_data import NONCE_SIZE
from verifier.evidence.simulated_root import parse_simulated_root
from verifier.report.judgement import Judgement
from verifier.roots.amd import AMD_ROOTS
from verifier.roots.snp_root import SnpRoot
from verifier.tlog.strict import parse_hex, parse_timestamp

if TYPE_CHECKING:  # loads the library of Sigstore
    from verifier.release.sigstore_bundle import TrustedRoot

__all__ = [
    "Judging",
    "instant_option",
    "judging_options",
    "load_policy",
    "load_release_policy",
    "load_roots",
    "load_trusted_root",
    "nonce_option",
    "policy_bytes",
    "trust_root_option",
]

_SIGSTORE_ROOT = "trusted_root.json"
_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """How to judge, as the auditor said it on the command line.

    ``instant`` is aware and UTC: ``--at``, or the clock of this machine, read once. ``vsa_key``
    names the key file under which a verification summary is signed, if it is.
    """

    instant: datetime
    offline: bool
    rendering: Rendering
    require_all: bool
    vsa_key: Path | None
    nonce: bytes | None
    trust_root: Path | None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Judging:
        """The options that ``judging_options`` added, as click passed them. Raises UsageError."""
        rendering = Rendering.of(options)
        if options["vsa_key"] is not None and "vsa" not in rendering.formats:
            message = "--sign-vsa signs a vsa, and none is asked for: add -o vsa=FILE"
            raise click.UsageError(message)
        return cls(
            instant=options["instant"],
            offline=options["offline"],
            rendering=rendering,
            require_all=options["require_all"],
            vsa_key=options["vsa_key"],
            nonce=options["nonce"],
            trust_root=options["trust_root"],
        )

    def conclude(
        self, verdict: Verdict, *, command: tuple[str, ...], connects: bool = False
    ) -> NoReturn:
        """Write the verdict in every form that was asked for, and exit with its code.

        ``command`` is the verb with its own arguments; the options of judging are added, among them
        ``--offline`` unless the command ``connects`` to somewhere.
        """
        judgement = Judgement(
            verdict=verdict,
            offline=self.offline,
            tool_version=__version__,
            reverify=shlex.join((*_program(), *command, *self._arguments(connects=connects))),
        )
        self.rendering.write(judgement, signed=self._signing())
        unmet = self.require_all and verdict.outcome is Outcome.PARTIAL
        raise click.exceptions.Exit(EXIT_CODES[Outcome.FAILED] if unmet else verdict.exit_code)

    def _signing(self) -> dict[str, Callable[[str], str]]:
        if self.vsa_key is None:
            return {}
        from verifier.cli.publishing import (  # noqa: PLC0415 - no other run needs private keys
            read_key,
            sign_summary,
        )

        publisher = read_key(self.vsa_key)
        return {"vsa": lambda statement: sign_summary(statement, publisher)}

    def _arguments(self, *, connects: bool) -> tuple[str, ...]:
        root = ("--trust-root", str(self.trust_root)) if self.trust_root is not None else ()
        nonce = ("--nonce", self.nonce.hex()) if self.nonce is not None else ()
        whole = ("--require-all",) if self.require_all else ()
        at = ("--at", f"{self.instant:%Y-%m-%dT%H:%M:%SZ}")
        return (*root, *nonce, *whole, *at, *(() if connects else ("--offline",)))


def _program() -> tuple[str, ...]:
    # What is printed must work when it is pasted, also from an environment that is not active.
    if shutil.which("cvm-audit") is not None:
        return ("cvm-audit",)
    called = Path(sys.argv[0])
    return (str(called),) if called.name == "cvm-audit" else ("python", "-m", "verifier")


def _instant(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime:
    if value is None:
        # To the second, so that what is printed is exactly what was judged.
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return parse_timestamp(value, what="--at")
    except ParseError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def _nonce(context: click.Context, parameter: click.Parameter, value: str | None) -> bytes | None:
    if value is None:
        return None
    try:
        return parse_hex(value, what="--nonce", size=NONCE_SIZE)
    except ParseError as error:
        raise click.BadParameter(str(error), context, parameter) from None


instant_option = click.option(
    "--at",
    "instant",
    metavar="RFC3339",
    callback=_instant,
    help="The instant, as YYYY-MM-DDThh:mm:ssZ; default: the clock of this machine.",
)
nonce_option = click.option(
    "--nonce", metavar="HEX", callback=_nonce, help="The 32 bytes that were sent for freshness."
)
_offline_option = click.option("--offline", is_flag=True, help="Open no socket.")
_require_all_option = click.option(
    "--require-all", is_flag=True, help="Exit with 1 instead of 4 for PARTIAL."
)
_sign_vsa_option = click.option(
    "--sign-vsa",
    "vsa_key",
    metavar="KEYFILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Private key (release keygen) that signs the vsa, in a DSSE envelope.",
)
trust_root_option = click.option(
    "--trust-root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of roots: trusted_root.json is that of Sigstore, every other *.json a simulated "
    "one. Evidence under a simulated root is never hardware.",
)


def judging_options(command: _Command) -> _Command:
    """Add the options of judging to a click command, which turns them into one ``Judging``."""
    options = (
        instant_option,
        nonce_option,
        trust_root_option,
        _offline_option,
        _require_all_option,
        rendering_options,
        _sign_vsa_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def policy_bytes(name: str) -> bytes:
    """The text of the policy file ``name``, or of the built-in one of that name.

    A name without a path is the built-in, also where a file has it: ``./NAME`` is the file. Raises
    PolicyError (exit 2).
    """
    if name in BUILT_IN:
        return BUILT_IN[name].encode()
    path = Path(name)
    if not path.is_file():
        expected = f"a file, or a built-in policy: {', '.join(BUILT_IN)}"
        raise PolicyError("--policy", expected=expected, got=name)
    try:
        return read_file(path, limit=MAX_POLICY)
    except ParseError as error:
        raise PolicyError(error.what, expected=error.expected, got=error.got) from None


def load_policy(name: str) -> Policy:
    """Read a policy file or a built-in policy. Raises PolicyError (exit 2)."""
    return parse_policy(policy_bytes(name))


def load_release_policy(name: str) -> Policy:
    """A policy that says which log and whose keys count for a release.

    Raises PolicyError (exit 2), also for one that names identities: `release verify` judges those.
    """
    policy = load_policy(name)
    if policy.log is None or policy.release is None:
        got = ", ".join(policy.require)
        raise PolicyError("policy.require", expected="log and release", got=got)
    if policy.release.identities:
        expected = "keys of publishers; release verify judges identities"
        raise PolicyError("policy.release.identities", expected=expected, got="identities")
    return policy


def load_roots(folder: Path | None) -> tuple[SnpRoot, ...]:
    """AMD's pinned roots, and the simulated ones of ``folder``. Raises PolicyError (exit 2)."""
    if folder is None:
        return AMD_ROOTS
    found = sorted(folder.glob("*.json"))
    documents = [path for path in found if path.name != _SIGSTORE_ROOT]
    if not found:
        raise PolicyError(str(folder), expected="*.json root documents", got="none")
    try:
        return (*AMD_ROOTS, *(parse_simulated_root(read_file(path)) for path in documents))
    except (ParseError, UnsupportedError) as error:
        raise PolicyError(error.what, expected=error.expected, got=error.got) from None


def load_trusted_root(folder: Path | None, policy: Policy) -> TrustedRoot | None:
    """Sigstore's trusted root in ``folder``, or None where ``policy`` names no identity.

    Raises PolicyError (exit 2) if it is missing or unusable, or the library is not installed.
    """
    if policy.release is None or not policy.release.identities:
        return None
    try:
        # Slow to load, and an extra: only a policy with identities pays for it.
        from verifier.release.sigstore_bundle import parse_trusted_root  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "sigstore":
            raise
        expected = "the extra: pip install 'cvm-audit[sigstore]'"
        raise PolicyError("sigstore", expected=expected, got="it is not installed") from None
    path = folder / _SIGSTORE_ROOT if folder is not None else None
    if path is None or not path.is_file():
        expected = f"a folder with {_SIGSTORE_ROOT}, as the policy names identities"
        got = "no folder" if path is None else f"no {_SIGSTORE_ROOT} in {folder}"
        raise PolicyError("--trust-root", expected=expected, got=got)
    try:
        return parse_trusted_root(read_file(path))
    except (ParseError, UnsupportedError) as error:
        raise PolicyError(error.what, expected=error.expected, got=error.got) from None
