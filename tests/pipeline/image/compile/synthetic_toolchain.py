"""A toolchain of this machine's shell and a few of its programs, and sources that it can build.

``make`` and edk2's ``build`` are shell scripts, which write what they were told, so that everything
around a compilation is tried in a second.
"""

from __future__ import annotations

import io
import lzma
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from pipeline.image.compile.recipe import KERNEL_SOURCE_PACKAGE, TOOLCHAIN_PACKAGES
from pipeline.image.lock import (
    FIRMWARE_PATCHES,
    FIRMWARE_SOURCE,
    KERNEL_SOURCE,
    TOOLCHAIN,
    TOOLCHAIN_LOCK,
    Input,
    Lock,
    Suite,
)
from tests.ovmf_image import build_ovmf
from tests.pipeline.image.synthetic_inputs import DATE, deb, locked

PROGRAMS = (
    "bash",
    "cat",
    "cp",
    "id",
    "ln",
    "ls",
    "mkdir",
    "sed",
    "sleep",
    "tar",
    "touch",
    "uname",
    "xz",
)

MAKE = """\
#!/usr/bin/bash
echo "make $*"
case "$*" in
tinyconfig) echo CONFIG_SMALL=y > .config;;
olddefconfig) sed -i -e /LOST/d .config;;
*bzImage) [[ $(cat .config) != *SLOW* ]] || sleep 100
    mkdir -p arch/x86/boot; { echo kernel; cat .config; } > arch/x86/boot/bzImage;;
*BaseTools/Source/C) [ -n "$UID" ];;
*) exit 2;;
esac
"""
MERGE = """\
#!/usr/bin/bash
cat "$3" >> "$2"
"""
BUILD = """\
#!/usr/bin/bash
mkdir -p Build/AmdSev/RELEASE_GCC5/FV
cp firmware Build/AmdSev/RELEASE_GCC5/FV/OVMF.fd
"""


@cache
def host_files() -> Mapping[str, bytes | str]:
    """Programs of this machine and the libraries that they load, by path."""
    files: dict[str, bytes | str] = {}
    for program in PROGRAMS:
        found = shutil.which(program)
        assert found is not None, program
        files[f"usr/bin/{program}"] = Path(found).read_bytes()
        listed = subprocess.run(["ldd", found], check=True, capture_output=True, text=True).stdout
        for path in re.findall(r"(/\S+) \(0x", listed):
            name = path.removeprefix("/")
            merged = name if name.startswith("usr/") else f"usr/{name}"
            files[merged] = Path(path).read_bytes()
    return files


def executable_tar(files: Mapping[str, bytes | str]) -> bytes:
    """A tar whose files anybody may execute: a loader of programs must be."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, content in files.items():
            raw = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(path)
            member.mode, member.size = 0o755, len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return stream.getvalue()


def tar_xz(files: Mapping[str, bytes | str]) -> bytes:
    """A compressed tar, as sources are published."""
    return lzma.compress(executable_tar(files), preset=0)


def toolchain_inputs() -> dict[Input, bytes]:
    """Every input of a synthetic compilation, and its bytes."""
    made: dict[Input, bytes] = {}
    for name in TOOLCHAIN_PACKAGES:
        files: Mapping[str, bytes | str] = {f"usr/share/doc/{name}/README": "not unpacked"}
        if name == "bash":
            files = host_files()
        if name == "make":
            files = {"usr/bin/make": MAKE}
        raw = deb(name, {}, content=executable_tar(files))
        made[locked(name, raw, role=TOOLCHAIN)] = raw
    linux = tar_xz({"linux-6/scripts/kconfig/merge_config.sh": MERGE})
    raw = deb(KERNEL_SOURCE_PACKAGE, {"usr/src/linux-source-6.12.tar.xz": linux})
    made[locked(KERNEL_SOURCE_PACKAGE, raw, role=KERNEL_SOURCE)] = raw
    conf = {f"edk2-1/BaseTools/Conf/{name}.template": "" for name in ("build_rule", "target")}
    edk2 = tar_xz(
        {
            **conf,
            "edk2-1/BaseTools/Conf/tools_def.template": "",
            "edk2-1/BaseTools/BinWrappers/PosixLike/build": BUILD,
            "edk2-1/Conf/ReadMe.txt": "",
            "edk2-1/OvmfPkg/AmdSev/AmdSevX64.dsc": "  PREBUILD = x\n",
            "edk2-1/OvmfPkg/AmdSev/Grub/grub.sh": "",
            "edk2-1/firmware": build_ovmf(),
        }
    )
    patches = tar_xz({"debian/patches/series": "# none\n\n"})
    for name, role, raw in (
        ("edk2-orig", FIRMWARE_SOURCE, edk2),
        ("edk2-debian", FIRMWARE_PATCHES, patches),
    ):
        made[replace(locked(name, raw, role=role), architecture="source")] = raw
    return made


def toolchain_lock(made: Mapping[Input, bytes]) -> Lock:
    suites = (Suite("trixie", DATE, bytes(32)),)
    return Lock(suites, tuple(sorted(made, key=lambda item: item.name)), TOOLCHAIN_LOCK)
