"""What a drive is made of, out of a log: release, files and keys, each judged before it is used.

Everything is kept in one folder: ``log`` (as far as it was read, a copy that can be named as a
log), ``release-N`` and ``image-N`` by the index of the entry, ``keys-ROLE``, ``rebuild``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from verifier.appraisal.appraise import appraise_logged_release
from verifier.appraisal.appraise_keys import appraise_key_document
from verifier.appraisal.policy import Policy
from verifier.cli.boot_files import bring_boot_files, rebuild_boot_files, write_boot_files
from verifier.cli.brought import Brought
from verifier.cli.drive_options import again, needs_network
from verifier.cli.files import make_folder, replace_file
from verifier.cli.judging import Judging
from verifier.cli.seeking import (
    newest_configuration,
    newest_release,
    read_configurations,
    search_log,
)
from verifier.cli.telling import telling
from verifier.cli.work_folder import work_folder
from verifier.errors import PolicyError
from verifier.fetch.log import LoggedEntry, LogReader
from verifier.fetch.log_files import LogFiles
from verifier.release.key_configuration import KeyConfiguration
from verifier.release.log_search import LogSearch
from verifier.wire.key_configuration import LoggedConfiguration, encode_key_document

__all__ = ["brought"]


@contextmanager
def brought(
    judging: Judging, options: Mapping[str, Any], *, policy: Policy | None
) -> Iterator[Brought]:
    """What the options name, or bring, while the block runs.

    ``policy`` says whose release is taken from a log; None where the options name one in a folder.
    Ends the program with the verdict where the release, its rebuild or the keys of the path do not
    hold. Raises FetchError for what is nowhere to be had.
    """
    given = Brought(
        judging=judging,
        release=options["release"],
        artifacts=options["artifacts"],
        logged_keys=options["logged_keys"],
        rebuild=None,
        command=again(options),
        connects=False,
    )
    if policy is None:
        yield given
        return
    with work_folder(options["work"], of="drive") as work:
        with telling() as say:
            found = _Errand(judging, options, policy, work, say).bring(given)
        yield found


class _Errand:
    """One way to the log and back."""

    def __init__(
        self,
        judging: Judging,
        options: Mapping[str, Any],
        policy: Policy,
        work: Path,
        say: Callable[[str], None],
    ) -> None:
        self._judging = judging
        self._options = options
        self._policy = policy
        self._work = work
        self._say = say
        self._log = LogFiles(options["log"], copy=work / "log")
        self._reader = LogReader(self._log)
        self._path = not (options["direct"] or options["deployment"])
        self._keys = self._path and not options["logged_keys"]

    def bring(self, given: Brought) -> Brought:
        """The release first, and nothing else unless it holds; then keys, and last the files."""
        own = self._own_configurations()
        self._say(f"log: {self._options['log']}")
        index = self._index()
        given = replace(given, **self._again(index))
        logged, given = self._release(index, given)
        verdict = appraise_logged_release(
            logged.entry, logged.proof, policy=self._policy, now=self._judging.instant
        )
        given.require(verdict)
        self._say(f"release: entry {index} is logged, signed, and what the policy wants")
        if own:
            given = self._logged_keys(own, given)
        if self._options["deployment"] or given.artifacts is not None:
            return given
        return self._files(given, self._work / f"image-{index}")

    def _own_configurations(self) -> tuple[KeyConfiguration, ...]:
        if self._path and self._policy.keys is None:
            expected = 'require = ["keys", "log", …], for a session through the private path'
            got = ", ".join(self._policy.require)
            raise PolicyError("policy.require", expected=expected, got=got)
        return read_configurations(self._options["keys"]) if self._keys else ()

    @cached_property
    def _checkpoint(self) -> bytes:
        # Once, so that everything is of one log at one size.
        return self._log.fetch_checkpoint()

    @cached_property
    def _search(self) -> LogSearch:
        return search_log(
            self._log,
            self._checkpoint,
            policy=self._policy,
            keys=self._keys,
            now=self._judging.instant,
            say=self._say,
        )

    def _index(self) -> int:
        named: int | None = self._options["index"]
        if named is not None:
            return named
        return newest_release(
            self._search,
            policy=self._policy,
            version=self._options["release_version"],
            where=self._options["log"],
            say=self._say,
        )

    def _again(self, index: int) -> dict[str, Any]:
        """How to drive this release again: from what is kept, or as it was driven."""
        kept, log = self._options["work"] is not None, self._options["log"]
        copied = str(self._work / "log") if kept and needs_network(self._options) else log
        words = again({**self._options, "log": copied, "index": index})
        return {"command": words, "connects": not (kept or self._judging.offline)}

    def _release(self, index: int, given: Brought) -> tuple[LoggedEntry, Brought]:
        logged = self._reader.fetch_entry(index, checkpoint=self._checkpoint)
        return logged, replace(given, release=_kept(logged, self._work / f"release-{index}"))

    def _logged_keys(self, own: Iterable[KeyConfiguration], given: Brought) -> Brought:
        logged, folders = [], []
        for configuration in own:
            where = self._options["log"]
            index = newest_configuration(self._search, configuration, where=where, say=self._say)
            entry = self._reader.fetch_entry(index, checkpoint=self._checkpoint)
            folders.append(_kept(entry, self._work / f"keys-{configuration.role}"))
            logged.append(LoggedConfiguration(entry.entry, entry.proof))
        document = encode_key_document(tuple(logged))
        judged = appraise_key_document(document, policy=self._policy, now=self._judging.instant)
        given.require(judged.verdict)
        return replace(given, logged_keys=tuple(folders))

    def _files(self, given: Brought, image: Path) -> Brought:
        options = self._options
        if not options["rebuild"]:
            bring_boot_files(
                given.release,
                image,
                places=options["places"],
                offline=self._judging.offline,
                say=self._say,
            )
            return replace(given, artifacts=image)
        self._say("release: it is built again, twice")
        made = rebuild_boot_files(
            given.release,
            judging=self._judging,
            options=options,
            work=None if options["work"] is None else self._work / "rebuild",
            image=image,
        )
        verdict = made.appraisal.verdict
        given.require(verdict)
        self._say("release: what was built is what was released")
        write_boot_files(made, image)
        return replace(given, artifacts=image, rebuild=verdict)


def _kept(logged: LoggedEntry, folder: Path) -> Path:
    """A folder of ours with entry and proof, over those of an earlier run: its proof was older."""
    make_folder(folder)
    replace_file(folder / "entry.json", logged.entry)
    replace_file(folder / "entry.tlog-proof", logged.proof)
    return folder
