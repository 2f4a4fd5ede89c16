"""How kernel and firmware are compiled: packages, where the sandbox has things, the commands.

Everything here, and ``kernel.config`` beside it, is part of the source digest of a release.
Source: the kernel's Documentation/kbuild/{kconfig,reproducible-builds}.rst; edk2's
``OvmfPkg/README``; edk2's ``OvmfPkg/AmdSev/AmdSevX64.dsc``.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.image.recipe import INTERPRETER

__all__ = [
    "BUILD_FOLDER",
    "BYTE_CODE_COMMANDS",
    "BYTE_CODE_PROGRAM",
    "ENVIRONMENT",
    "FIRMWARE_COMMANDS",
    "FIRMWARE_OUTPUT",
    "FIRMWARE_PATCHES_FILE",
    "FIRMWARE_SOURCE_FILE",
    "FIRMWARE_SOURCE_PACKAGE",
    "HOST_NAME",
    "JOBS",
    "KERNEL_COMMANDS",
    "KERNEL_CONFIG",
    "KERNEL_CONFIGURE_COMMANDS",
    "KERNEL_CONFIG_FILE",
    "KERNEL_CONFIG_OUTPUT",
    "KERNEL_OUTPUT",
    "KERNEL_SOURCE_FILE",
    "KERNEL_SOURCE_MEMBER",
    "KERNEL_SOURCE_PACKAGE",
    "LINKS",
    "SUITE_OF_TOOLCHAIN",
    "TOOLCHAIN_PACKAGES",
    "UNNEEDED",
    "USER",
    "Commands",
    "script",
]

SUITE_OF_TOOLCHAIN = "trixie"
TOOLCHAIN_PACKAGES = (
    *("acpica-tools", "bash", "bc", "binutils", "bison", "coreutils", "dash", "diffutils"),
    *("findutils", "flex", "g++", "gcc", "grep", "gzip", "libc6-dev", "libelf-dev", "libssl-dev"),
    *("make", "mawk", "nasm", "patch", "perl", "python3", "sed", "tar", "uuid-dev", "xz-utils"),
    "zstd",
)
"""What the toolchain needs by name; the lock has these and all that they depend on."""
KERNEL_SOURCE_PACKAGE = "linux-source-6.12"
KERNEL_SOURCE_MEMBER = "usr/src/linux-source-*.tar.xz"
FIRMWARE_SOURCE_PACKAGE = "edk2"
"""A source package: its original tar, and the tar of Debian's patches, without which it lacks
libraries that Debian has taken out."""

LINKS = {
    "usr/bin/awk": "mawk",
    "usr/bin/c++": "g++",
    "usr/bin/cc": "gcc",
    "usr/bin/yacc": "bison.yacc",
}
"""What update-alternatives would have linked: no maintainer script runs here."""

UNNEEDED = tuple(
    f"usr/share/{name}/"
    for name in ("bash-completion", "bug", "doc", "info", "lintian", "locale", "man", "zoneinfo")
)
"""Left out of the toolchain: what no compiler reads."""

BUILD_FOLDER = "/build"
"""Where the sandbox has the folder that is worked in: edk2 writes its path into the firmware."""
HOST_NAME, USER = "cvm-build", 1000

_EPOCH = "1767225600"  # 2026-01-01: any time would do, as long as it is always the same
ENVIRONMENT = {
    "HOME": BUILD_FOLDER,
    "KBUILD_BUILD_HOST": HOST_NAME,
    "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 2026",
    "KBUILD_BUILD_USER": "cvm",
    "KBUILD_BUILD_VERSION": "1",
    "LC_ALL": "C",
    "PATH": "/usr/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "SOURCE_DATE_EPOCH": _EPOCH,
    "TZ": "UTC",
}
"""All that the sandbox has of an environment, but for ``JOBS``."""
JOBS = "JOBS"
"""Variable with the number of things to do at once, the only thing that may differ."""


@dataclass(frozen=True, slots=True)
class Commands:
    """One step in the sandbox: what it is called in messages, and the command."""

    name: str
    words: tuple[str, ...]


def script(name: str, program: str) -> Commands:
    """A step that bash runs, which stops at the first command that fails."""
    return Commands(name, ("/usr/bin/bash", "-euo", "pipefail", "-c", program))


KERNEL_CONFIG = "pipeline/image/compile/kernel.config"
"""What the kernel's configuration must say, in the source tree."""
KERNEL_SOURCE_FILE, KERNEL_CONFIG_FILE = "linux.tar.xz", "kernel.config"
KERNEL_OUTPUT, KERNEL_CONFIG_OUTPUT = "out/kernel.bin", "out/kernel-config.txt"

KERNEL_CONFIGURE_COMMANDS = script(
    "configuring the kernel",
    f"""\
mkdir -p out linux
tar -xf {KERNEL_SOURCE_FILE} -C linux --strip-components=1
cd linux
make tinyconfig
scripts/kconfig/merge_config.sh -m .config ../{KERNEL_CONFIG_FILE}
make olddefconfig
cp .config ../{KERNEL_CONFIG_OUTPUT}
""",
)
KERNEL_COMMANDS = script(
    "compiling the kernel",
    f"""\
cd linux
make -j"$JOBS" bzImage
cp arch/x86/boot/bzImage ../{KERNEL_OUTPUT}
""",
)

BYTE_CODE_PROGRAM = "pipeline/image/compile/in_guest.py"
"""What compiles byte code, in the source tree."""

# Without `site`, as in the guest; the environment counts, for the sake of its hash seed.
BYTE_CODE_COMMANDS = tuple(
    Commands(name, (INTERPRETER, "-sSPB", f"{BUILD_FOLDER}/in_guest.py", verb))
    for name, verb in (("listing modules", "list"), ("compiling byte code", "compile"))
)

FIRMWARE_SOURCE_FILE, FIRMWARE_PATCHES_FILE = "edk2.tar.xz", "edk2-debian.tar.xz"
FIRMWARE_OUTPUT = "out/firmware.fd"

# The dsc would compile a boot loader, for disks that are encrypted: no guest of ours has one, so
# the file in its place is empty, and the firmware can start nothing but the measured kernel.
FIRMWARE_COMMANDS = script(
    "compiling the firmware",
    f"""\
mkdir -p out edk2
tar -xf {FIRMWARE_SOURCE_FILE} -C edk2 --strip-components=1
tar -xf {FIRMWARE_PATCHES_FILE} -C edk2
cd edk2
sed -e '/^#/d' -e '/^$/d' debian/patches/series > ../series
while read -r name; do patch -p1 < "debian/patches/$name"; done < ../series
touch OvmfPkg/AmdSev/Grub/grub.efi
sed -i 's/^ *PREBUILD/#&/' OvmfPkg/AmdSev/AmdSevX64.dsc
make -j"$JOBS" -C BaseTools/Source/C
export WORKSPACE="$PWD" EDK_TOOLS_PATH="$PWD/BaseTools" CONF_PATH="$PWD/Conf"
export PYTHON_COMMAND=python3 PATH="$PWD/BaseTools/BinWrappers/PosixLike:$PATH"
for name in build_rule target tools_def; do
    cp "BaseTools/Conf/$name.template" "Conf/$name.txt"
done
build -a X64 -t GCC5 -b RELEASE -n "$JOBS" -p OvmfPkg/AmdSev/AmdSevX64.dsc
cp Build/AmdSev/RELEASE_GCC5/FV/OVMF.fd ../{FIRMWARE_OUTPUT}
""",
)
