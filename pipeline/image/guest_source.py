"""Our own source, read from the tree that it lies in: for the guest, and for its digest."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from pipeline.image.recipe import GUEST_SOURCES, INIT_LINE, INIT_SOURCE, SOURCE_FOLDER
from pipeline.image.taking import matching
from pipeline.image.tree import File, Tree
from verifier.errors import FetchError, ParseError
from verifier.release.directory_digest import (
    SOURCE_FOLDERS,
    SOURCE_PURPOSE,
    DirectoryFile,
    directory_digest,
    is_source,
)
from verifier.tlog.strict import excerpt

__all__ = ["read_source", "source_digest", "take_source"]


def read_source(root: Path) -> Mapping[str, File]:
    """Every file of the source tree that counts for its digest, by path.

    Raises ParseError for a link or a special file among them, FetchError for what cannot be read.
    """
    files: dict[str, File] = {}
    try:
        for folder in SOURCE_FOLDERS:
            for path in (root / folder).rglob("*"):
                name = path.relative_to(root).as_posix()
                state = path.lstat()
                if stat.S_ISDIR(state.st_mode) or not is_source(name):
                    continue
                if not stat.S_ISREG(state.st_mode):
                    raise ParseError(f"source {name}", expected="a file", got="no regular file")
                files[name] = File(path.read_bytes(), bool(state.st_mode & stat.S_IXUSR))
    except OSError as error:
        what, got = str(error.filename or root), str(error.strerror)
        raise FetchError(what, expected="source that can be read", got=got) from None
    return files


def source_digest(files: Mapping[str, File]) -> bytes:
    """The source digest (32 bytes) of what ``read_source`` read."""
    listed = (
        DirectoryFile(path, file.executable, len(file.content), sha256(file.content).digest())
        for path, file in files.items()
    )
    return directory_digest(listed, purpose=SOURCE_PURPOSE)


def take_source(tree: Tree, files: Mapping[str, File]) -> None:
    """Put the guest's program into ``tree``: ``/init``, and the modules of the recipe's list.

    Raises ParseError if one is missing, or the first program would not start isolated.
    """
    if INIT_SOURCE not in files:
        raise ParseError("source", expected=INIT_SOURCE, got="it is missing")
    program = files[INIT_SOURCE].content
    if not program.startswith(INIT_LINE):
        expected, got = excerpt(INIT_LINE), excerpt(program[: len(INIT_LINE)])
        raise ParseError(f"{INIT_SOURCE}, first line", expected=expected, got=got)
    tree.add("init", File(program, executable=True), what="source")
    modules = tuple(sorted(path for path in files if path.endswith(".py")))
    for pattern in GUEST_SOURCES:
        for path in matching(modules, pattern, what="source"):
            content = files[path].content
            tree.add(f"{SOURCE_FOLDER}/{path}", File(content, executable=False), what="source")
