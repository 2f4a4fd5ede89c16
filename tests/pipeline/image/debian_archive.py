"""A Debian archive of synthetic packages in a folder, signed by a key that is made for it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.image.recipe import KERNEL_META_PACKAGE
from tests.pipeline.image.synthetic_inputs import KERNEL_NAME, deb, packages

DATE = "Sat, 21 Nov 2026 08:00:00 UTC"


@contextlib.contextmanager
def signing_home() -> Iterator[dict[str, str]]:
    """The environment of a gpg with one new key, whose agent ends with it."""
    # A short path: the agent's socket lies in it.
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        environment = os.environ | {"GNUPGHOME": home}
        run = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "archive"]
        subprocess.run([*run, "ed25519"], env=environment, check=True, capture_output=True)
        try:
            yield environment
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=True)


def write_archive(
    folder: Path, environment: Mapping[str, str], *, versions: Mapping[str, str] | None = None
) -> Path:
    """Write the archive below ``folder`` and give the path of its keyring."""
    pool = folder / "pool" / "main"
    pool.mkdir(parents=True, exist_ok=True)
    stanzas: dict[str, list[str]] = {"trixie": [], "forky": []}
    for name, (role, files) in packages().items():
        version = (versions or {}).get(name, "1.0-1")
        raw = deb(name, files, version=version)
        path = pool / f"{name}_{version}_amd64.deb"
        path.write_bytes(raw)
        suite = "forky" if role == "firmware" else "trixie"
        stanzas[suite].append(stanza(name, version, path.relative_to(folder), raw))
    stanzas["trixie"].append(
        f"Package: {KERNEL_META_PACKAGE}\nVersion: 1.0-1\nArchitecture: amd64\n"
        f"Depends: {KERNEL_NAME} (= 1.0-1)\nFilename: pool/main/meta.deb\nSize: 1\n"
        f"SHA256: {'0' * 64}\n"
    )
    for suite, texts in stanzas.items():
        write_suite(folder / "dists" / suite, suite, "\n".join(texts), environment)
    return export_keyring(folder, environment)


def export_keyring(folder: Path, environment: Mapping[str, str]) -> Path:
    """Write the public key of the archive below ``folder`` and give its path."""
    keyring = folder / "keyring.gpg"
    exported = subprocess.run(
        ["gpg", "--export"], env=environment, check=True, capture_output=True
    ).stdout
    keyring.write_bytes(exported)
    return keyring


def stanza(name: str, version: str, path: Path, raw: bytes) -> str:
    """The entry of a package in the index."""
    return (
        f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: {path}\n"
        f"Size: {len(raw)}\nSHA256: {hashlib.sha256(raw).hexdigest()}\n"
    )


def write_suite(
    folder: Path, suite: str, text: str, environment: Mapping[str, str], *, sources: str = ""
) -> None:
    """Write the signed indexes of a suite: of packages, and of source packages."""
    listed = ""
    for name, index in (("binary-amd64/Packages", text), ("source/Sources", sources)):
        path = folder / "main" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(index)
        digest = hashlib.sha256(index.encode()).hexdigest()
        listed += f" {digest} {len(index)} main/{name}\n"
    release = (
        f"Origin: Debian\nCodename: {suite}\nDate: {DATE}\n"
        "Valid-Until: Sun, 22 Nov 2020 08:00:00 UTC\n"
        "Architectures: amd64\nComponents: main\n"
        f"SHA256:\n{listed}"
    )
    signed = subprocess.run(
        ["gpg", "--batch", "--clearsign"],
        input=release.encode(),
        env=environment,
        check=True,
        capture_output=True,
    ).stdout
    (folder / "InRelease").write_bytes(signed)
