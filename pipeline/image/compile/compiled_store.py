"""Kernel and firmware that an earlier run has compiled, kept by what they were compiled from.

Whoever takes them believes whoever could write into the store: fine for building again while the
guest's program changes, and nothing for a judge. So they are taken only if that is asked for.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from pipeline.image.compile.compiling import STEPS, Compiled
from pipeline.image.compile.recipe import KERNEL_SOURCE_MEMBER, LINKS, UNNEEDED
from pipeline.image.compile.sandbox import sandbox_command
from pipeline.image.output import write_folder
from verifier.errors import FetchError

__all__ = ["compilation_key", "keep_compiled", "kept_compiled"]

_FOLDER = "compiled"
_KERNEL, _FIRMWARE, _CONFIG = "kernel.bin", "firmware.fd", "kernel-config.txt"
_SUMS = "SHA256SUMS"


def compilation_key(toolchain_lock: bytes, *, kernel_config: bytes) -> bytes:
    """SHA-256 of everything that decides what comes out: lock, configuration, commands, sandbox."""
    sandbox = sandbox_command(Path("root"), Path("build"), jobs=1)
    unpacked = (*(part for link in LINKS.items() for part in link), *UNNEEDED)
    steps = [text for step in STEPS for text in (step.name, *step.words)]
    texts = (*sandbox, *unpacked, KERNEL_SOURCE_MEMBER, *steps)
    digest = sha256(b"cvm-audit:compilation:v1\0")
    for part in (toolchain_lock, kernel_config, *(text.encode() for text in texts)):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def keep_compiled(root: Path, key: bytes, compiled: Compiled) -> None:
    """Leave ``compiled`` in the store ``root``, in place of a damaged one. Raises FetchError."""
    folder = root / _FOLDER / key.hex()
    files = {
        _KERNEL: compiled.kernel,
        _FIRMWARE: compiled.firmware,
        _CONFIG: compiled.kernel_config,
    }
    shutil.rmtree(folder, ignore_errors=True)
    write_folder(folder, {**files, _SUMS: _sums(files)})


def kept_compiled(root: Path, key: bytes) -> Compiled | None:
    """What lies in the store ``root`` under ``key``; None if it is not there, or is damaged.

    Raises FetchError for what cannot be read.
    """
    folder = root / _FOLDER / key.hex()
    try:
        files = {name: (folder / name).read_bytes() for name in (_KERNEL, _FIRMWARE, _CONFIG)}
        sums = (folder / _SUMS).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise FetchError(str(folder), expected="a folder that can be read", got=got) from None
    if sums != _sums(files):
        return None
    return Compiled(kernel=files[_KERNEL], firmware=files[_FIRMWARE], kernel_config=files[_CONFIG])


def _sums(files: Mapping[str, bytes]) -> bytes:
    lines = (f"{sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return "".join(lines).encode("ascii")
