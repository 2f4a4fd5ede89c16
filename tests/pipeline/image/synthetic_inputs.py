"""Tiny packages and wheels with the files that the recipe takes, made without dpkg."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.image.lock import (
    FIRMWARE,
    KERNEL,
    USERLAND,
    WHEEL,
    Input,
    Lock,
    Suite,
    encode_lock,
)
from pipeline.image.recipe import (
    FIRMWARE_FILE,
    FIRMWARE_PACKAGE,
    KERNEL_MODULES,
    LEFT_OUT,
    USERLAND_PACKAGES,
    WHEELS,
)
from pipeline.image.store import Store
from tests.ovmf_image import build_ovmf

DATE = datetime(2026, 11, 21, tzinfo=UTC)
POLICY = b'{"schema": "cvm-audit/guest-policy/v1"}\n'
KERNEL_NAME = "linux-image-6.12.1-cloud-amd64"


def tar(files: Mapping[str, bytes | str], *, directories: bool = True) -> bytes:
    """A GNU tar, as dpkg-deb writes it; a text is the target of a symbolic link."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        if directories:
            folder = tarfile.TarInfo("./")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
        for path, content in files.items():
            member = tarfile.TarInfo(f"./{path}")
            member.mode = 0o755 if "/bin/" in path else 0o644
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def ar(members: Mapping[str, bytes]) -> bytes:
    parts = [b"!<arch>\n"]
    for name, content in members.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n"
        parts += [header.encode(), content, b"\n" * (len(content) % 2)]
    return b"".join(parts)


def deb(
    name: str,
    files: Mapping[str, bytes | str],
    *,
    version: str = "1.0-1",
    content: bytes | None = None,
) -> bytes:
    """A Debian package; ``content`` is its data.tar, else made of ``files``."""
    control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nDescription: x\n"
    content = tar(files) if content is None else content
    return ar(
        {
            "debian-binary": b"2.0\n",
            "control.tar.xz": lzma.compress(tar({"control": control.encode()}), preset=0),
            "data.tar.xz": lzma.compress(content, preset=0),
        }
    )


def wheel(name: str, version: str, files: Mapping[str, bytes]) -> bytes:
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path), content)
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nWords.\n"
        archive.writestr(zipfile.ZipInfo(f"{folder}/METADATA"), metadata)
        kind = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(zipfile.ZipInfo(f"{folder}/WHEEL"), kind)
        archive.writestr(zipfile.ZipInfo(f"{folder}/RECORD"), "")
    return stream.getvalue()


def locked(name: str, raw: bytes, *, role: str = USERLAND, version: str = "1.0-1") -> Input:
    suite = {WHEEL: "", FIRMWARE: "forky"}.get(role, "trixie")
    path = f"pool/main/{name}.deb"
    if role == WHEEL:
        path = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    architecture = "any" if role == WHEEL else "amd64"
    digest = hashlib.sha256(raw).digest()
    return Input(name, version, architecture, role, suite, path, len(raw), digest)


def files_of(pattern: str) -> dict[str, bytes]:
    """Files that a pattern of the recipe names."""
    path = pattern.replace("*", ".1")
    if pattern.endswith("/"):
        return {f"{path}a.py": b"a = 1\n", f"{path}b/c.py": b"c = 3\n"}
    return {path: path.encode()}


def packages() -> dict[str, tuple[str, dict[str, bytes | str]]]:
    """Name to role and files of every package that the recipe names."""
    found: dict[str, tuple[str, dict[str, bytes | str]]] = {}
    for taking in USERLAND_PACKAGES:
        files: dict[str, bytes | str] = {"usr/share/doc/x": b"not taken"}
        for pattern in taking.paths:
            files |= files_of(pattern)
        if taking.package == "libpython3.13-minimal":  # another one, so that they do not collide
            files = {f"usr/lib/python3.13/d/{number}.py": b"\n" for number in range(3)}
        if taking.package == "libpython3.13-stdlib":
            for pattern in LEFT_OUT:
                files |= files_of(pattern)
        if taking.package == "zlib1g":
            files["usr/lib/x86_64-linux-gnu/libz.so.1"] = "libz.so.1.1"
            files["usr/lib/x86_64-linux-gnu/libz.so.1.1"] = b"zlib"
        found[taking.package] = (USERLAND, files)
    kernel: dict[str, bytes | str] = {
        "boot/config-6.12.1": b"CONFIG_MODULES=y\n",
        "boot/vmlinuz-6.12.1": b"kernel",
    }
    for name in KERNEL_MODULES:
        module = f"usr/lib/modules/6.12.1/kernel/{name}.ko.xz"
        kernel[module] = lzma.compress(name.encode())
    found[KERNEL_NAME] = (KERNEL, kernel)
    found[FIRMWARE_PACKAGE] = (FIRMWARE, {FIRMWARE_FILE: build_ovmf()})
    return found


def wheels() -> dict[str, bytes]:
    return {
        name: wheel(name, version, {f"{name.replace('-', '_')}/__init__.py": name.encode()})
        for name, version in WHEELS
    }


def inputs() -> dict[Input, bytes]:
    """Every input of a whole synthetic image, and its bytes."""
    found: dict[Input, bytes] = {}
    for name, (role, files) in packages().items():
        raw = deb(name, files)
        found[locked(name, raw, role=role)] = raw
    versions = dict(WHEELS)
    for name, raw in wheels().items():
        found[locked(name, raw, role=WHEEL, version=versions[name])] = raw
    return found


def lock_of(items: Mapping[Input, bytes]) -> Lock:
    suites = tuple(Suite(name, DATE, bytes(32)) for name in ("forky", "trixie"))
    return Lock(suites, tuple(sorted(items, key=lambda item: item.name)))


def fill(folder: Path) -> tuple[Path, Path, Path]:
    """Make a lock, a store and a guest policy in ``folder``, and give their paths."""
    made = inputs()
    store = Store(folder / "store")
    for item, raw in made.items():
        store.add(item, [raw])
    lock, policy = folder / "inputs.lock", folder / "guest-policy.json"
    lock.write_bytes(encode_lock(lock_of(made)))
    policy.write_bytes(POLICY)
    return lock, store.root, policy


def with_input(made: dict[Input, bytes], name: str, raw: bytes) -> dict[Input, bytes]:
    """The same inputs, with other bytes for one of them, and locked so."""
    old = next(item for item in made if item.name == name)
    new = replace(old, size=len(raw), sha256=hashlib.sha256(raw).digest())
    return {(new if item is old else item): (raw if item is old else made[item]) for item in made}
