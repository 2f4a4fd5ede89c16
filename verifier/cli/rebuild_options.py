"""The options of ``release rebuild``: what to build from, and where it is when nobody says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from verifier.appraisal.rebuild.rebuilt import BUILT_FILES
from verifier.cli.files import cache_folder, read_file
from verifier.cli.logged import proof_beside
from verifier.cli.obtaining import obtain_artifact
from verifier.errors import (
    FetchError,
    ParseError,
    PolicyError,
    UnsupportedError,
    VerificationError,
)
from verifier.rebuild.fetching import Fetching
from verifier.rebuild.gathering import InputSource
from verifier.rebuild.locks import PINNED_BINARIES, RECIPES, Recipe
from verifier.rebuild.sandbox import Sandbox, find_sandbox
from verifier.rebuild.source import SourceTree, read_own_tree, read_source_tree
from verifier.release.cvm_release import CvmRelease
from verifier.report.text import one_line
from verifier.tlog.note import parse_vkey

__all__ = ["GuestPolicy", "RebuildOptions"]

_GUEST_POLICY = "guest-policy"
_MAX_GUEST_POLICY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class GuestPolicy:
    """What goes into the image: ``content``, None where nobody has it.

    ``sha256`` (32 bytes) is what the release says of it, empty if it states none.
    """

    content: bytes | None
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildOptions:
    """The options, named as on the command line; None is an option that was not given."""

    release: Path
    from_source: bool
    source: Path | None
    bundle: Path | None
    store: Path | None
    mirrors: tuple[str, ...]
    index: str | None
    guest_policy: Path | None
    artifacts: Path | None
    work: Path | None
    proof: Path | None
    policy: str | None
    sandboxed: bool
    timeout: int
    statement: Path | None
    key: Path | None
    publish: str | None
    vkey: str | None

    def require_consistency(self) -> None:
        """Raise UsageError for options that contradict or need one another."""
        if self.bundle is not None and self.store is not None:
            raise click.UsageError("--inputs and --store exclude each other")
        if self.policy is not None and self.known_proof is None:
            raise click.UsageError("--policy needs --proof, or a folder that has it")
        for name, other in (
            ("proof", "policy"),
            ("statement", "key"),
            ("key", "statement"),
            ("publish", "statement"),
            ("publish", "vkey"),
            ("vkey", "publish"),
        ):
            if getattr(self, name) is not None and getattr(self, other) is None:
                raise click.UsageError(f"--{name} needs --{other}")
        if self.vkey is not None:
            try:
                parse_vkey(self.vkey)
            except (ParseError, UnsupportedError) as error:
                raise click.UsageError(f"--vkey: {error}") from None
        if self.statement is not None and self.statement.exists():
            raise click.UsageError(f"--statement {self.statement}: it exists already")

    @property
    def known_proof(self) -> Path | None:
        """The proof that was named, or that lies beside the entry."""
        return self.proof or proof_beside(self.release)

    def arguments(self) -> tuple[str, ...]:
        """The verb again, for whoever wants to rebuild what was rebuilt."""
        flags = (
            ("--source", self.source),
            ("--inputs", self.bundle),
            ("--store", self.store),
            ("--guest-policy", self.guest_policy),
            ("--artifacts", self.artifacts),
            ("--proof", self.proof),
            ("--policy", self.policy),
        )
        given = (part for flag, value in flags if value is not None for part in (flag, str(value)))
        compiled = ("--from-source",) if self.from_source else ()
        without = () if self.sandboxed else ("--no-sandbox",)
        return ("release", "rebuild", str(self.release), *compiled, *without, *given)

    def recipe_of(self, release: CvmRelease) -> Recipe:
        """What is compiled, by what the release says of its recipe.

        Raises UsageError if kernel and firmware were to be, and were not; PolicyError without
        bwrap, in which it is done.
        """
        name = release.build.recipe
        recipe = RECIPES.get(name, PINNED_BINARIES)
        if self.from_source and not recipe.from_source:
            message = f"--from-source: the release was not compiled, its recipe is {name!r}"
            raise click.UsageError(message)
        if recipe.compiles and (sandbox := find_sandbox()) is not Sandbox.BWRAP:
            expected, hint = "bwrap, in which it is compiled", "install bubblewrap"
            raise PolicyError(f"recipe {name}", expected=expected, got=sandbox, hint=hint)
        return recipe

    def source_of(self, release: CvmRelease) -> SourceTree:
        """The source tree that was named, or that of this program if it is the release's.

        Raises FetchError if it is not, or cannot be read; ParseError for a named one with links.
        """
        if self.source is not None:
            return read_source_tree(self.source)
        own, logged = read_own_tree(), release.build.source_sha256
        if own.sha256 != logged:
            what, got = "the tree of this program", f"sha256 {own.sha256.hex()}"
            raise FetchError(what, expected=f"sha256 {logged.hex()}", got=got)
        return own

    def input_source(self, *, offline: bool, say: Callable[[str], None]) -> InputSource:
        """Where the inputs are, and how to fetch those that are missing."""
        fetching = None
        if not offline and self.bundle is None:
            fetching = Fetching(
                mirrors=self.mirrors, index=self.index, say=say, seconds=self.timeout
            )
        store = self.store or cache_folder("inputs")
        return InputSource(bundle=self.bundle, store=store, fetching=fetching)

    def guest_policy_of(
        self, release: CvmRelease, offered: Mapping[str, bytes], *, offline: bool
    ) -> GuestPolicy:
        """The policy that was named or offered, or the logged one from where the release says.

        Raises UsageError where the release states none, and nobody named one.
        """
        stated = [each for each in release.artifacts if each.role == _GUEST_POLICY]
        digest = stated[0].sha256 if stated else b""
        if self.guest_policy is not None:
            content = read_file(self.guest_policy, limit=_MAX_GUEST_POLICY)
            return GuestPolicy(content, digest)
        names = (BUILT_FILES[_GUEST_POLICY], *(each.name for each in stated))
        found = next((offered[name] for name in names if name in offered), None)
        if found is not None:
            return GuestPolicy(found, digest)
        if not stated:
            message = f"--guest-policy FILE is needed, or {names[0]} in --artifacts DIR"
            raise click.UsageError(message)
        try:
            return GuestPolicy(obtain_artifact(stated[0], places=(), offline=offline), digest)
        except (FetchError, VerificationError) as error:
            click.echo(f"cvm-audit: {one_line(str(error))}", err=True)
            return GuestPolicy(None, digest)
