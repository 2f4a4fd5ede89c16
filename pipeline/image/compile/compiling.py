"""Compiles kernel and firmware from pinned sources with a pinned toolchain, in a sandbox.

Source: recipe.py; docs/spec/image.md, "From source".
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.image.compile.kernel_config import check_kernel_config, parse_kernel_config
from pipeline.image.compile.recipe import (
    FIRMWARE_COMMANDS,
    FIRMWARE_OUTPUT,
    FIRMWARE_PATCHES_FILE,
    FIRMWARE_SOURCE_FILE,
    KERNEL_COMMANDS,
    KERNEL_CONFIG_FILE,
    KERNEL_CONFIG_OUTPUT,
    KERNEL_CONFIGURE_COMMANDS,
    KERNEL_OUTPUT,
    KERNEL_SOURCE_FILE,
    KERNEL_SOURCE_MEMBER,
)
from pipeline.image.compile.sandbox import require_sandbox, run_commands
from pipeline.image.compile.scratch import read_output, require_space, scratch_folder
from pipeline.image.compile.toolchain_root import unpack_toolchain
from pipeline.image.deb import read_members
from pipeline.image.lock import (
    FIRMWARE_PATCHES,
    FIRMWARE_SOURCE,
    KERNEL_SOURCE,
    TOOLCHAIN,
    Input,
    Lock,
)
from pipeline.image.taking import one_file

__all__ = ["STEPS", "Compiled", "compile_from_source"]

_Read = Callable[[Input], bytes]
_Say = Callable[[str], None]

STEPS = (KERNEL_CONFIGURE_COMMANDS, KERNEL_COMMANDS, FIRMWARE_COMMANDS)
"""All that is run in the sandbox, in this order."""

_SPACE = 4 * 1024 * 1024 * 1024  # bytes: toolchain 0.4 GB, kernel 2.3 GB; then firmware


@dataclass(frozen=True, slots=True)
class Compiled:
    """``kernel_config`` is the whole configuration that the kernel was compiled with."""

    kernel: bytes
    firmware: bytes
    kernel_config: bytes


def compile_from_source(
    lock: Lock, read: _Read, *, kernel_config: bytes, parent: Path, say: _Say
) -> Compiled:
    """Compile both. ``read`` gives the bytes of an input, already held against the lock.

    Works in a folder of its own below ``parent``, of about 4 GB, which is gone afterwards.
    ``kernel_config`` is what the kernel's configuration must say.

    Raises FetchError without a working sandbox or space, VerificationError for a step that fails
    and for an option that got lost, ParseError for inputs that make no sense, what ``read`` raises.
    """
    require_sandbox()
    require_space(parent, _SPACE)
    wanted = parse_kernel_config(kernel_config, what=KERNEL_CONFIG_FILE)
    with scratch_folder(parent) as scratch:
        root, folder = scratch / "root", scratch / "build"
        root.mkdir()
        folder.mkdir()
        say("unpacking the toolchain")
        unpack_toolchain(lock.of_role(TOOLCHAIN), read, root)
        _lay_out(lock, read, folder, kernel_config)
        run = partial(run_commands, root=root, folder=folder, jobs=_jobs(), say=say)
        run(KERNEL_CONFIGURE_COMMANDS)
        config = read_output(folder / KERNEL_CONFIG_OUTPUT)
        found = parse_kernel_config(config, what="configuration of the kernel")
        check_kernel_config(found, wanted=wanted)
        run(KERNEL_COMMANDS)
        shutil.rmtree(folder / "linux")  # 2 GB, which the firmware may have
        run(FIRMWARE_COMMANDS)
        return Compiled(
            kernel=read_output(folder / KERNEL_OUTPUT),
            firmware=read_output(folder / FIRMWARE_OUTPUT),
            kernel_config=config,
        )


def _jobs() -> int:
    return len(os.sched_getaffinity(0))


def _lay_out(lock: Lock, read: _Read, folder: Path, kernel_config: bytes) -> None:
    (item,) = lock.of_role(KERNEL_SOURCE)
    source = one_file(read_members(read(item), item), KERNEL_SOURCE_MEMBER, item=item)
    (folder / KERNEL_SOURCE_FILE).write_bytes(source)
    (folder / KERNEL_CONFIG_FILE).write_bytes(kernel_config)
    for role, name in (
        (FIRMWARE_SOURCE, FIRMWARE_SOURCE_FILE),
        (FIRMWARE_PATCHES, FIRMWARE_PATCHES_FILE),
    ):
        (item,) = lock.of_role(role)
        (folder / name).write_bytes(read(item))
