"""Byte code for what the guest loads when it starts, so that it need not compile it at each boot.

The image's own interpreter compiles it, in the sandbox, with the image's files as its root: this is
the one step at which something of the image runs before it is measured. What comes out is taken
only under the names that byte code of files in the image has. Source: PEP 3147; PEP 552.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from pipeline.image.compile.recipe import BUILD_FOLDER, BYTE_CODE_COMMANDS, BYTE_CODE_PROGRAM
from pipeline.image.compile.sandbox import require_sandbox, run_commands
from pipeline.image.compile.scratch import read_output, require_space, scratch_folder
from pipeline.image.recipe import INTERPRETER_TAG
from pipeline.image.tree import Directory, File, Node, Symlink
from verifier.errors import VerificationError
from verifier.tlog.strict import excerpt

__all__ = ["compile_byte_code"]

_Say = Callable[[str], None]

_SPACE = 256 * 1024 * 1024  # bytes; the files of the image are 35 MB
_SOURCE = ".py"
_UNCHECKED = 0b01  # PEP 552: made from a hash, which nobody looks at when it is loaded
_HEADER = struct.Struct("< 4s I 8s")
_OPEN, _PLAIN = 0o755, 0o644  # modes, whatever the umask


def compile_byte_code(
    nodes: Mapping[str, Node], *, program: bytes, parent: Path, say: _Say
) -> Mapping[str, File]:
    """The byte code by path, for modules of ``nodes``, the whole image; parents before children.

    ``program`` is what compiles it (``BYTE_CODE_PROGRAM``). Works in a folder of its own below
    ``parent``, which is gone afterwards.

    Raises FetchError without a working sandbox or space, VerificationError for a step that fails,
    and for output that is no byte code of a module in the image.
    """
    require_sandbox()
    require_space(parent, _SPACE)
    with scratch_folder(parent) as scratch:
        root, folder = scratch / "root", scratch / "build"
        _lay_out(nodes, root)
        folder.mkdir()
        (folder / Path(BYTE_CODE_PROGRAM).name).write_bytes(program)
        for commands in BYTE_CODE_COMMANDS:
            run_commands(commands, root, folder, jobs=1, say=say)
        return dict(_taken(folder / "out", nodes))


def _lay_out(nodes: Mapping[str, Node], root: Path) -> None:
    root.mkdir()
    for path in ("", *(path for path, node in nodes.items() if node == Directory())):
        (root / path).mkdir(exist_ok=True)
        (root / path).chmod(_OPEN)
    (root / BUILD_FOLDER.removeprefix("/")).mkdir()
    for path, node in nodes.items():
        if isinstance(node, File):
            with (root / path).open("xb") as file:
                file.write(node.content)
            (root / path).chmod(_OPEN if node.executable else _PLAIN)
        elif isinstance(node, Symlink):
            (root / path).symlink_to(node.target)


def _taken(out: Path, nodes: Mapping[str, Node]) -> Iterator[tuple[str, File]]:
    wanted = {
        _cached(path)
        for path, node in nodes.items()
        if isinstance(node, File) and path.endswith(_SOURCE)
    }
    written = sorted(each for each in out.rglob("*") if each.is_symlink() or not each.is_dir())
    if not written:
        raise VerificationError("byte code", expected="that of the guest's program", got="none")
    for each in written:
        path = each.relative_to(out).as_posix()
        if path not in wanted:
            expected = "that of a module in the image"
            raise VerificationError("byte code", expected=expected, got=excerpt(path))
        content = read_output(each)
        _require_unchecked(content, path)
        yield path, File(content, executable=False)


def _cached(path: str) -> str:
    """Where PEP 3147 has the byte code of a source file."""
    source = PurePosixPath(path)
    return str(source.parent / "__pycache__" / f"{source.stem}.{INTERPRETER_TAG}.pyc")


def _require_unchecked(content: bytes, path: str) -> None:
    flags = _HEADER.unpack_from(content)[1] if len(content) > _HEADER.size else None
    if flags != _UNCHECKED:
        expected, got = f"flags {_UNCHECKED} (PEP 552)", excerpt(content[: _HEADER.size])
        raise VerificationError(f"byte code {path}", expected=expected, got=got)
