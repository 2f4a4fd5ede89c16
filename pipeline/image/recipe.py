"""What the guest image is made of: the packages, the files taken from them, the command line.

Everything here is part of the source digest of a release. A pattern names one file or link (``*``
stands for anything but ``/``), or everything below a directory when it ends with ``/``. A pattern
that matches nothing stops the build, so that no file is lost in silence when a package changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.image.tree import Device

__all__ = [
    "COMMAND_LINE",
    "DEVICES",
    "EMPTY_DIRECTORIES",
    "FIRMWARE_FILE",
    "FIRMWARE_PACKAGE",
    "GUEST_SOURCES",
    "INIT_LINE",
    "INIT_SOURCE",
    "INTERPRETER",
    "INTERPRETER_TAG",
    "KERNEL_CONFIG_FILE",
    "KERNEL_FILE",
    "KERNEL_META_PACKAGE",
    "KERNEL_MODULES",
    "LEFT_OUT",
    "MODULES_FOLDER",
    "POLICY_PATH",
    "SOURCE_FOLDER",
    "SUITE_OF_FIRMWARE",
    "SUITE_OF_USERLAND",
    "USERLAND_PACKAGES",
    "WHEELS",
    "WHEELS_FOLDER",
    "Taking",
    "recipe_name",
]


def recipe_name(*, from_source: bool, byte_code: bool) -> str:
    """The name of a recipe, as a release states it.

    Kernel and firmware are as Debian has compiled them, or compiled from pinned sources; the
    guest's program has its byte code beside it, or not (``compile/recipe.py``).
    """
    tier = "from-source" if from_source else "pinned-binaries"
    return f"cvm-audit/reference-image/{tier}{'-byte-code' if byte_code else ''}/v1"


COMMAND_LINE = (
    "console=ttyS0 quiet"
    # A guest that dies is gone: with -no-reboot the machine ends.
    " panic=-1 oops=panic"
    " mitigations=auto,nosmt lockdown=confidentiality module.sig_enforce=1"
    " init_on_alloc=1 randomize_kstack_offset=on vsyscall=none"
    # One protocol, one port.
    " ipv6.disable=1"
)
"""The kernel command line, which is measured."""


@dataclass(frozen=True, slots=True)
class Taking:
    """What is taken from one package: the files and links that match ``paths``."""

    package: str
    paths: tuple[str, ...]


SUITE_OF_USERLAND = "trixie"
SUITE_OF_FIRMWARE = "forky"  # the first that has a firmware which enforces the hashes table

FIRMWARE_PACKAGE = "ovmf-amdsev"
FIRMWARE_FILE = "usr/share/ovmf/OVMF.amdsev.fd"

KERNEL_META_PACKAGE = "linux-image-cloud-amd64"
"""Depends on the package of the current kernel, whose name holds its version."""
KERNEL_FILE, KERNEL_CONFIG_FILE = "boot/vmlinuz-*", "boot/config-*"

KERNEL_MODULES = (
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
    "drivers/char/hw_random/virtio-rng",
    "fs/configfs/configfs",
    "drivers/virt/coco/tsm",
    "drivers/virt/coco/sev-guest/sev-guest",
)
"""The modules that the guest loads, in this order, below ``kernel/`` of the package. A kernel that
is compiled from source has what it needs in itself, and loads none."""

_LIBRARIES = "usr/lib/x86_64-linux-gnu/"
_PYTHON = "usr/lib/python3.13/"

LEFT_OUT = tuple(
    _PYTHON + name
    for name in (
        *("test/", "unittest/", "doctest.py", "__phello__/", "__hello__.py"),
        *("turtle.py", "curses/", "antigravity.py", "multiprocessing/", "xml/", "plistlib.py"),
        *("_pyrepl/", "cmd.py", "code.py", "pdb.py", "pty.py", "rlcompleter.py", "this.py"),
        *("venv/", "EXTERNALLY-MANAGED", "sitecustomize.py", "pydoc.py", "pydoc_data/"),
        *("sqlite3/", "dbm/", "shelve.py", "lzma.py", "bz2.py", "wsgiref/", "xmlrpc/"),
        *("_aix_support.py", "_android_support.py", "_apple_support.py", "_ios_support.py"),
        *("_osx_support.py", "webbrowser.py", "ftplib.py", "imaplib.py", "poplib.py"),
        *("smtplib.py", "cProfile.py", "profile.py", "pstats.py", "trace.py"),
        *("lib-dynload/_test*.so", "lib-dynload/_xxtest*.so", "lib-dynload/xx*.so"),
        *("lib-dynload/_ctypes_test*.so", "lib-dynload/_codecs_*.so", "lib-dynload/_curses*.so"),
        *("lib-dynload/_dbm*.so", "lib-dynload/_sqlite3*.so", "lib-dynload/_uuid*.so"),
        *("lib-dynload/_lzma*.so", "lib-dynload/_bz2*.so", "lib-dynload/readline*.so"),
        *("lib-dynload/_multibytecodec*.so", "lib-dynload/_lsprof*.so", "asyncio/"),
        # One TLS and one OpenSSL are in the guest: those of the wheel of cryptography.
        *("ssl.py", "lib-dynload/_ssl*.so", "lib-dynload/_hashlib*.so", "lib-dynload/_asyncio*.so"),
        # Nothing here starts a program, unpickles, or reads archives.
        *("subprocess.py", "pickle.py", "pickletools.py", "_compat_pickle.py", "tarfile.py"),
        *("zipfile/", "zipapp.py", "gzip.py", "mailbox.py", "concurrent/", "logging/"),
        "lib-dynload/_interp*.so",
        *("lib-dynload/_multiprocessing*.so", "lib-dynload/_posixshmem*.so"),
        *("http/client.py", "http/server.py", "http/cookies.py", "http/cookiejar.py", "html/"),
        *("_markupbase.py", "urllib/request.py", "urllib/robotparser.py"),
        *("socketserver.py", "configparser.py", "tomllib/", "csv.py", "optparse.py", "wave.py"),
        *("statistics.py", "fractions.py", "difflib.py", "bdb.py", "modulefinder.py", "timeit.py"),
        # Written in C, too.
        *("_pydecimal.py", "_pyio.py", "_pydatetime.py"),
        *(f"encodings/{name}*.py" for name in ("cp", "euc", "iso", "koi", "kz", "mac", "shift")),
    )
)
"""Left out of what was taken: tests, terminals, installers, graphics, clients of other protocols,
and modules whose libraries are not in the image."""

USERLAND_PACKAGES = (
    Taking(
        "libc6",
        (
            "usr/lib64/ld-linux-x86-64.so.2",
            *(
                _LIBRARIES + name
                for name in ("ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libdl.so.2")
            ),
            *(_LIBRARIES + name for name in ("libpthread.so.0", "librt.so.1")),
        ),
    ),
    Taking("libexpat1", (_LIBRARIES + "libexpat.so.1*",)),
    Taking("libffi8", (_LIBRARIES + "libffi.so.8*",)),
    Taking("libgcc-s1", (_LIBRARIES + "libgcc_s.so.1",)),
    Taking("libpython3.13-minimal", (_PYTHON,)),
    Taking("libpython3.13-stdlib", (_PYTHON,)),
    Taking("python3.13-minimal", ("usr/bin/python3.13",)),
    Taking("zlib1g", (_LIBRARIES + "libz.so.1*",)),
)

WHEELS = (
    ("cffi", "2.1.1"),
    ("cryptography", "50.0.2"),
    ("h11", "0.16.0"),
    ("pyopenssl", "26.4.0"),
    ("rfc8785", "0.1.4"),
    ("typing-extensions", "4.16.0"),
)
"""Python distributions by normalised name, and version: a new one is a decision, not a relock."""

GUEST_SOURCES = (
    "pipeline/__init__.py",
    "pipeline/node/",
    "verifier/__init__.py",
    "verifier/errors.py",
    "verifier/evidence/__init__.py",
    "verifier/evidence/certificate_table.py",
    "verifier/evidence/guid.py",
    "verifier/evidence/report_data.py",
    "verifier/evidence/snp_bits.py",
    "verifier/evidence/snp_report.py",
    "verifier/evidence/tcb.py",
    "verifier/release/__init__.py",
    "verifier/release/announcement.py",
    "verifier/release/cvm_release.py",
    "verifier/release/dsse.py",
    "verifier/release/entry.py",
    "verifier/release/host_identity.py",
    "verifier/release/key_configuration.py",
    "verifier/release/log_policy.py",
    "verifier/release/members.py",
    "verifier/release/p256.py",
    "verifier/release/publisher.py",
    "verifier/release/rebuild.py",
    "verifier/release/revocation.py",
    "verifier/release/sigstore_identity.py",
    "verifier/release/statement.py",
    "verifier/release/subject.py",
    "verifier/release/tcb_floor.py",
    "verifier/roots/__init__.py",
    "verifier/roots/snp_root.py",
    "verifier/tlog/__init__.py",
    "verifier/tlog/checkpoint.py",
    "verifier/tlog/cosignature.py",
    "verifier/tlog/ed25519.py",
    "verifier/tlog/json_object.py",
    "verifier/tlog/merkle.py",
    "verifier/tlog/note.py",
    "verifier/tlog/policy.py",
    "verifier/tlog/proof.py",
    "verifier/tlog/strict.py",
    "verifier/tlog/timestamped_signature.py",
    "verifier/wire/__init__.py",
    "verifier/wire/attested_tls.py",
    "verifier/wire/sealed.py",
    "verifier/wire/service.py",
    "verifier/wire/workload/__init__.py",
    "verifier/wire/workload/backend.py",
    "verifier/wire/workload/chat.py",
    "verifier/wire/workload/english.py",
    "verifier/wire/workload/languages.py",
    "verifier/wire/workload/phrases.py",
    "verifier/wire/workload/protected.py",
    "verifier/wire/workload/retrieval.py",
    "verifier/wire/workload/rewrite.py",
    "verifier/wire/workload/summary.py",
    "verifier/wire/workload/terms.py",
    "verifier/wire/workload/text.py",
)
"""Our own source that goes into the guest: the node, and what it imports, and nothing else."""

SOURCE_FOLDER = "usr/lib/cvm"
MODULES_FOLDER = "usr/lib/cvm/modules"
WHEELS_FOLDER = "usr/lib/cvm/packages"
POLICY_PATH = "etc/cvm/guest-policy.json"

INIT_SOURCE = "pipeline/node/init.py"
INTERPRETER, INTERPRETER_TAG = "/usr/bin/python3.13", "cpython-313"
INIT_LINE = f"#!{INTERPRETER} -IS\n".encode()
"""The first line of the guest's first program: isolated from environment and site packages."""

EMPTY_DIRECTORIES = ("dev", "proc", "run", "sys", "tmp")

# Documentation/admin-guide/devices.txt. Python needs random numbers before devtmpfs is mounted.
DEVICES = {
    "dev/console": Device(5, 1, mode="0600"),
    "dev/null": Device(1, 3, mode="0666"),
    "dev/random": Device(1, 8, mode="0666"),
    "dev/ttyS0": Device(4, 64, mode="0600"),
    "dev/urandom": Device(1, 9, mode="0666"),
}
