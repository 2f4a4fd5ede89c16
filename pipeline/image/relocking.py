"""Makes the lock anew from what Debian's suites and the Python index have today.

The recipe says which packages and which versions of wheels; the suites say which versions of
packages. Each suite's index is fetched into a private apt state and must be signed by Debian; the
SHA-256 and date of what was signed go into the lock, so that an old index shows.
"""

from __future__ import annotations

import email.utils
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from pipeline.image.apt import AptRoot, open_root
from pipeline.image.lock import FIRMWARE, KERNEL, USERLAND, WHEEL, Input, Lock, Suite
from pipeline.image.python_index import download_wheels
from pipeline.image.recipe import (
    FIRMWARE_PACKAGE,
    KERNEL_META_PACKAGE,
    SUITE_OF_FIRMWARE,
    SUITE_OF_USERLAND,
    USERLAND_PACKAGES,
    WHEELS,
)
from verifier.errors import FetchError, ParseError
from verifier.tlog.strict import excerpt, parse_decimal, parse_hex, parse_utf8

__all__ = ["changes", "make_lock", "package_input", "signed_suite"]

_Say = Callable[[str], None]

_KERNEL = re.compile(r"(linux-image-[0-9][0-9A-Za-z.+~-]*) \(= [^)]+\)", re.ASCII)
_DATE = re.compile(r"^Date: (.+)$", re.MULTILINE)


def make_lock(*, mirror: str, keyring: Path, index: str | None, say: _Say) -> Lock:
    """The lock of today.

    ``mirror`` is the root of Debian's archive, whose suites must be signed by a key of
    ``keyring``; ``say`` is told of each step.

    Raises FetchError for what cannot be had, ParseError for an index that makes no sense.
    """
    suites: list[Suite] = []
    inputs: list[Input] = []
    with tempfile.TemporaryDirectory(prefix="cvm-image-relock-") as name:
        for suite, packages in _packages().items():
            say(f"fetching the index of {suite}")
            folder = Path(name) / suite
            folder.mkdir()
            root = open_root(folder, mirror=mirror, suite=suite, keyring=keyring)
            suites.append(signed_suite(root))
            inputs += [_package(root, package, role) for package, role in packages]
        say(f"fetching {len(WHEELS)} wheels")
        folder = Path(name) / "wheels"
        folder.mkdir()
        pins = [(wheel, version, None) for wheel, version in WHEELS]
        paths = download_wheels(pins, folder, index=index)
        inputs += [_wheel(*pin, path) for pin, path in zip(WHEELS, paths, strict=True)]
    ordered = sorted(inputs, key=lambda item: item.name)
    return Lock(tuple(sorted(suites, key=lambda suite: suite.name)), tuple(ordered))


def _packages() -> dict[str, tuple[tuple[str, str], ...]]:
    userland = tuple((taking.package, USERLAND) for taking in USERLAND_PACKAGES)
    return {
        SUITE_OF_USERLAND: (*userland, (KERNEL_META_PACKAGE, KERNEL)),
        SUITE_OF_FIRMWARE: ((FIRMWARE_PACKAGE, FIRMWARE),),
    }


def signed_suite(root: AptRoot) -> Suite:
    """The suite of ``root`` as its InRelease file has it. Raises ParseError, FetchError."""
    raw = root.in_release()
    what = f"{root.suite}, InRelease"
    found = _DATE.search(parse_utf8(raw, what=what))
    try:
        date = email.utils.parsedate_to_datetime(found[1] if found else "")
    except ValueError:
        raise ParseError(what, expected="a date", got=found[1] if found else "none") from None
    # "UTC", as Debian writes, is read as a time without a zone.
    instant = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    return Suite(root.suite, instant, sha256(raw).digest())


def _package(root: AptRoot, package: str, role: str) -> Input:
    fields = root.stanza(package)
    if package == KERNEL_META_PACKAGE:
        found = _KERNEL.findall(fields.get("Depends", ""))
        if len(found) != 1:
            got = excerpt(fields.get("Depends", ""))
            raise ParseError(f"{package}, Depends", expected="one kernel", got=got)
        fields = root.stanza(found[0])
    return package_input(fields, role=role, suite=root.suite)


def package_input(fields: Mapping[str, str], *, role: str, suite: str) -> Input:
    """The input that the fields of a package in the index name. Raises ParseError."""
    what = f"{fields['Package']} in {suite}"
    for name in ("Version", "Architecture", "Filename", "Size", "SHA256"):
        if name not in fields:
            raise ParseError(f"{what}, {name}", expected="the field", got="it is missing")
    return Input(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        role=role,
        suite=suite,
        path=fields["Filename"],
        size=parse_decimal(fields["Size"], what=f"{what}, Size"),
        sha256=parse_hex(fields["SHA256"], what=f"{what}, SHA256", size=32),
    )


def _wheel(name: str, version: str, path: Path) -> Input:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FetchError(str(path), expected="the wheel", got=str(error.strerror)) from None
    return Input(
        name=name,
        version=version,
        architecture="amd64" if path.stem.endswith("x86_64") else "any",
        role=WHEEL,
        suite="",
        path=path.name,
        size=len(content),
        sha256=sha256(content).digest(),
    )


def changes(old: Lock | None, new: Lock) -> Iterator[str]:
    """What differs between two locks, one line a thing; nothing if they are the same."""
    before = {item.name: item for item in old.inputs} if old else {}
    after = {item.name: item for item in new.inputs}
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was is None and now is not None:
            yield f"+ {now} ({now.role})"
        elif now is None and was is not None:
            yield f"- {was} ({was.role})"
        elif was is not None and now is not None and was != now:
            yield _change(was, now)
    dates = {suite.name: suite.date for suite in old.suites} if old else {}
    for suite in new.suites:
        if dates.get(suite.name) != suite.date:
            yield f"  {suite.name}: as signed {_day(suite.date)}, was {_day(dates.get(suite.name))}"


def _change(was: Input, now: Input) -> str:
    if was.version != now.version:
        return f"  {now.name}: {was.version} -> {now.version}"
    if was.sha256 != now.sha256:
        return (
            f"! {now}: the same version with OTHER BYTES, {was.sha256.hex()} -> {now.sha256.hex()}"
        )
    return f"  {now}: the same bytes, found elsewhere or used for something else"


def _day(instant: datetime | None) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ") if instant else "not in the lock"
