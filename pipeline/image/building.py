"""Makes everything that a build writes: the artifacts, the bill of materials, the manifest.

There are two tiers. With pinned binaries, kernel and firmware are Debian's, as the lock pins them.
From source, they are compiled first, and the image is the same but for them and the kernel's
modules, of which there are none. Of either tier there is one with byte code, in which the guest's
program need not be compiled at each boot. Source: docs/spec/image.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from pipeline.image.assembly import assemble, check_recipe
from pipeline.image.compile.byte_code import compile_byte_code
from pipeline.image.compile.compiled_store import compilation_key, keep_compiled, kept_compiled
from pipeline.image.compile.compiling import Compiled, compile_from_source
from pipeline.image.compile.recipe import BYTE_CODE_PROGRAM, KERNEL_CONFIG
from pipeline.image.compile.relocking import check_toolchain
from pipeline.image.guest_source import source_digest
from pipeline.image.lock import FIRMWARE, KERNEL, Input, Lock
from pipeline.image.manifest import Origin, render_manifest
from pipeline.image.recipe import recipe_name
from pipeline.image.sbom import render_sbom
from pipeline.image.store import Store
from pipeline.image.tree import File, Node
from verifier.errors import ParseError

__all__ = ["Compilation", "LockFile", "Locks", "build"]

_Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LockFile:
    """A lock, and the very bytes that it was read from."""

    lock: Lock
    raw: bytes

    @property
    def sha256(self) -> bytes:
        """Of the bytes."""
        return sha256(self.raw).digest()


@dataclass(frozen=True, slots=True)
class Locks:
    """The locks of a build; ``toolchain`` is None for pinned binaries."""

    image: LockFile
    toolchain: LockFile | None

    @property
    def files(self) -> Mapping[str, bytes]:
        """The bytes of the locks by file name."""
        given = (self.image, self.toolchain)
        return {file.lock.form.name: file.raw for file in given if file is not None}

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What a build needs, each file once; from source not Debian's kernel and firmware.

        A package that is in the guest and in the toolchain is named as the guest's.
        """
        items = self.image.lock.inputs
        if self.toolchain is None:
            return items
        kept = [item for item in items if item.role not in (FIRMWARE, KERNEL)]
        files = {item.sha256: item for item in (*self.toolchain.lock.inputs, *kept)}
        return tuple(sorted(files.values(), key=lambda item: (item.name, item.version)))

    def check(self) -> None:
        """Raise PolicyError unless the locks pin what the recipes name."""
        check_recipe(self.image.lock)
        if self.toolchain is not None:
            check_toolchain(self.toolchain.lock)


@dataclass(frozen=True, slots=True)
class Compilation:
    """How to compile: below the folder ``parent``; ``byte_code`` of the guest's program, or none.

    With ``reuse`` the kernel and the firmware are taken that an earlier run has left in the store,
    and what this one compiles is left there.
    """

    parent: Path
    byte_code: bool
    reuse: bool
    say: _Say


def build(
    locks: Locks,
    store: Store,
    *,
    source: Mapping[str, File],
    guest_policy: bytes,
    compilation: Compilation,
) -> Mapping[str, bytes]:
    """The files of the image by name, all inputs being in ``store``.

    Raises what ``assemble`` and ``compile_from_source`` raise.
    """
    locks.check()
    compile_ = None
    if locks.toolchain is not None:
        compile_ = partial(_compiled, locks.toolchain, store, source, compilation)
    image = assemble(
        locks.image.lock,
        store.read,
        source=source,
        guest_policy=guest_policy,
        compile_=compile_,
        byte_code=partial(_byte_code, source, compilation) if compilation.byte_code else None,
    )
    origin = Origin(
        recipe=recipe_name(
            from_source=locks.toolchain is not None, byte_code=compilation.byte_code
        ),
        inputs=locks.inputs,
        lock_sha256=locks.image.sha256,
        toolchain_lock_sha256=b"" if locks.toolchain is None else locks.toolchain.sha256,
        source_sha256=source_digest(source),
    )
    artifacts = {
        "command-line.txt": image.command_line,
        "firmware.fd": image.firmware,
        "guest-policy.json": guest_policy,
        "initrd.bin": image.initrd,
        "kernel-config.txt": image.kernel_config,
        "kernel.bin": image.kernel,
        "sbom.json": render_sbom(origin),
    }
    manifest = render_manifest(origin, artifacts=artifacts, nodes=image.nodes)
    return {**artifacts, "manifest.json": manifest}


def _byte_code(
    source: Mapping[str, File], compilation: Compilation, nodes: Mapping[str, Node]
) -> Mapping[str, File]:
    program = _needed(source, BYTE_CODE_PROGRAM)
    return compile_byte_code(nodes, program=program, parent=compilation.parent, say=compilation.say)


def _needed(source: Mapping[str, File], path: str) -> bytes:
    if path not in source:
        raise ParseError("source", expected=path, got="it is missing")
    return source[path].content


def _compiled(
    toolchain: LockFile, store: Store, source: Mapping[str, File], compilation: Compilation
) -> Compiled:
    config = _needed(source, KERNEL_CONFIG)
    key = compilation_key(toolchain.raw, kernel_config=config)
    if compilation.reuse:
        kept = kept_compiled(store.root, key)
        if kept is not None:
            compilation.say(
                f"kernel and firmware NOT compiled: left by an earlier run, {key.hex()}"
            )
            return kept
    compiled = compile_from_source(
        toolchain.lock,
        store.read,
        kernel_config=config,
        parent=compilation.parent,
        say=compilation.say,
    )
    if compilation.reuse:
        keep_compiled(store.root, key, compiled)
    return compiled
