"""Assembles the image from bytes: pinned inputs, our source, the guest policy. Runs none of it.

No clock, no environment, no file of the machine: who has the same lock, source and policy has the
same artifacts. Source: recipe.py; docs/spec/image.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.image.compile.compiling import Compiled
from pipeline.image.cpio import encode_cpio
from pipeline.image.deb import read_members
from pipeline.image.guest_source import take_source
from pipeline.image.lock import FIRMWARE, KERNEL, USERLAND, WHEEL, Input, Lock
from pipeline.image.recipe import (
    COMMAND_LINE,
    DEVICES,
    EMPTY_DIRECTORIES,
    FIRMWARE_FILE,
    KERNEL_CONFIG_FILE,
    KERNEL_FILE,
    KERNEL_MODULES,
    LEFT_OUT,
    MODULES_FOLDER,
    POLICY_PATH,
    USERLAND_PACKAGES,
    WHEELS,
    WHEELS_FOLDER,
)
from pipeline.image.taking import (
    leave_out,
    one_file,
    take_kernel_modules,
    take_members,
    take_wheel,
)
from pipeline.image.tree import Directory, File, Node, Tree
from pipeline.image.wheel import read_wheel
from verifier.errors import PolicyError

__all__ = ["Image", "assemble", "check_recipe"]

_Read = Callable[[Input], bytes]


@dataclass(frozen=True, slots=True)
class Image:
    """What is launched, byte for byte; ``nodes`` is what the initrd holds, by path.

    ``kernel_config`` is the configuration that the kernel was compiled with.
    """

    firmware: bytes
    kernel: bytes
    kernel_config: bytes
    initrd: bytes
    command_line: bytes
    nodes: Mapping[str, Node]


def assemble(
    lock: Lock,
    read: _Read,
    *,
    source: Mapping[str, File],
    guest_policy: bytes,
    compile_: Callable[[], Compiled] | None = None,
    byte_code: Callable[[Mapping[str, Node]], Mapping[str, File]] | None = None,
) -> Image:
    """Make the image. ``read`` gives the bytes of an input, already held against the lock.

    What ``compile_`` gives is in the place of the lock's kernel and firmware, which are then not
    read. It is called when all else is there, as it may take minutes. ``byte_code`` gives more
    files, for all the nodes of the guest.

    Raises PolicyError for a lock that is not this recipe's, ParseError, UnsupportedError and
    VerificationError for an input or a source that cannot be used, and what ``read`` raises.
    """
    check_recipe(lock)
    tree = Tree()
    give = compile_ or _giving(_take_prebuilt(tree, lock, read))
    _take_userland(tree, lock, read)
    leave_out(tree, LEFT_OUT)
    take_source(tree, source)
    tree.add(POLICY_PATH, File(guest_policy, executable=False), what="guest policy")
    for path in EMPTY_DIRECTORIES:
        tree.add(path, Directory(), what="recipe")
    for path, device in DEVICES.items():
        tree.add(path, device, what="recipe")
    if byte_code is not None:
        for path, file in byte_code(tree.finished()).items():
            tree.add(path, file, what="byte code")
    nodes = tree.finished()
    compiled = give()
    return Image(
        firmware=compiled.firmware,
        kernel=compiled.kernel,
        kernel_config=compiled.kernel_config,
        initrd=encode_cpio(nodes),
        command_line=COMMAND_LINE.encode("ascii"),
        nodes=nodes,
    )


def _giving(compiled: Compiled) -> Callable[[], Compiled]:
    return lambda: compiled


def _take_prebuilt(tree: Tree, lock: Lock, read: _Read) -> Compiled:
    """Kernel and firmware as Debian has compiled them; the kernel's modules go into ``tree``."""
    (kernel,), (firmware,) = lock.of_role(KERNEL), lock.of_role(FIRMWARE)
    members = read_members(read(kernel), kernel)
    take_kernel_modules(tree, members, KERNEL_MODULES, folder=MODULES_FOLDER, item=kernel)
    return Compiled(
        kernel=one_file(members, KERNEL_FILE, item=kernel),
        firmware=one_file(read_members(read(firmware), firmware), FIRMWARE_FILE, item=firmware),
        kernel_config=one_file(members, KERNEL_CONFIG_FILE, item=kernel),
    )


def _take_userland(tree: Tree, lock: Lock, read: _Read) -> None:
    patterns = {taking.package: taking.paths for taking in USERLAND_PACKAGES}
    for item in lock.of_role(USERLAND):
        take_members(tree, read_members(read(item), item), patterns[item.name], item=item)
    for item in lock.of_role(WHEEL):
        take_wheel(tree, read_wheel(read(item), item), folder=WHEELS_FOLDER, item=item)


def check_recipe(lock: Lock) -> None:
    """Raise PolicyError unless the lock pins exactly what the recipe names."""
    packages = {taking.package for taking in USERLAND_PACKAGES}
    wheels = {f"{name} {version}" for name, version in WHEELS}
    for role, wanted, locked in (
        (USERLAND, packages, {item.name for item in lock.of_role(USERLAND)}),
        (WHEEL, wheels, {str(item) for item in lock.of_role(WHEEL)}),
    ):
        for name in sorted(wanted ^ locked):
            expected = f"{name} among the inputs" if name in wanted else "what the recipe names"
            got = "it is missing" if name in wanted else name
            what = f"inputs.lock, role {role}"
            raise PolicyError(what, expected=expected, got=got, hint="run relock")
