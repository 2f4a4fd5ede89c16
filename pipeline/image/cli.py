"""The command line of the image builder. Needs Python alone, so that any machine can rebuild."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from pipeline.image.apt import KEYRING, machine_mirrors
from pipeline.image.assembly import check_recipe
from pipeline.image.building import Compilation, LockFile, Locks, build
from pipeline.image.bundle import write_bundle
from pipeline.image.compile.relocking import check_toolchain, make_toolchain_lock
from pipeline.image.fetching import (
    AptSource,
    BundleSource,
    MirrorSource,
    PipSource,
    Source,
    fetch_inputs,
)
from pipeline.image.guest_source import read_source, source_digest
from pipeline.image.lock import (
    IMAGE_LOCK,
    LOCK_MAX,
    TOOLCHAIN_LOCK,
    Lock,
    LockForm,
    encode_lock,
    parse_lock,
)
from pipeline.image.output import new_file, replace_file, write_folder
from pipeline.image.relocking import changes, make_lock
from pipeline.image.store import Store
from verifier.errors import AuditError, FetchError, ParseError, PolicyError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_json

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[2]
_LOCKS = Path("pipeline/image")
_POLICY_MAX = 65_536  # bytes of a guest policy
_POLICY_SCHEMA = "cvm-audit/guest-policy/v1"  # the guest reads the rest, and refuses to serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and give the exit code (docs/architecture.md, "Verdicts and exit codes")."""
    options = _parser().parse_args(arguments)
    options.lock = options.lock or options.source / _LOCKS / IMAGE_LOCK.name
    options.toolchain_lock = options.toolchain_lock or options.source / _LOCKS / TOOLCHAIN_LOCK.name
    verbs = {
        "build": _build,
        "bundle": _bundle,
        "fetch": _fetch,
        "relock": _relock,
        "verify-lock": _verify_lock,
    }
    try:
        verbs[options.verb](options)
    except AuditError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"error: {error}{hint}\n")
        return 2 if isinstance(error, PolicyError) else 3 if isinstance(error, FetchError) else 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.image", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    build = verbs.add_parser("build", help="make the image from its inputs")
    build.add_argument("-o", "--out", type=Path, required=True, help="new folder for the artifacts")
    build.add_argument("--policy", type=Path, required=True, help="guest policy, which is measured")
    build.add_argument(
        "--byte-code", action="store_true", help="compile the guest's program; it boots faster"
    )
    build.add_argument(
        "--reuse-compiled", action="store_true", help="take an earlier compilation, and leave one"
    )
    bundle = verbs.add_parser("bundle", help="write the locks and their inputs into one tar")
    bundle.add_argument("-o", "--out", type=Path, required=True, help="new file")
    fetch = verbs.add_parser("fetch", help="bring all inputs into the store")
    relock = verbs.add_parser("relock", help="make the lock anew, and say what changed")
    relock.add_argument("--keyring", type=Path, default=KEYRING, help="keys of the Debian archive")
    relock.add_argument("--dry-run", action="store_true", help="only say it")
    verify = verbs.add_parser("verify-lock", help="read the lock strictly, and say its digests")
    for verb in (build, bundle, fetch, relock, verify):
        verb.add_argument("--source", type=Path, default=_ROOT, help="root of the source tree")
        verb.add_argument("--lock", type=Path, help="default: the lock in the source tree")
        verb.add_argument("--toolchain-lock", type=Path, help="likewise, of the toolchain")
        verb.add_argument(
            "--from-source", action="store_true", help="with kernel and firmware from source"
        )
    for verb in (build, bundle, fetch):
        verb.add_argument("--store", type=Path, default=_store_folder(), help="folder of inputs")
        verb.add_argument("--bundle", type=Path, action="append", default=[], help="input bundle")
        verb.add_argument("--offline", action="store_true", help="use only store and bundles")
    for verb in (build, bundle, fetch, relock):
        verb.add_argument("--mirror", action="append", default=[], help="URL of a Debian archive")
        verb.add_argument("--index", help="URL of a Python index")
    return parser


def _store_folder() -> Path:
    # XDG Base Directory Specification: an unset, empty or relative value means the default.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    folder = base if base.is_absolute() else Path.home() / ".cache"
    return folder / "cvm-audit" / "inputs"


def _read(path: Path, *, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise PolicyError(str(path), expected="a file", got=str(error.strerror)) from None
    if len(content) > limit:
        raise PolicyError(str(path), expected=f"at most {limit} bytes", got="more")
    return content


def _read_lock(path: Path, form: LockForm) -> LockFile:
    raw = _read(path, limit=LOCK_MAX)
    return LockFile(parse_lock(raw, form), raw)


def _read_locks(options: argparse.Namespace) -> Locks:
    toolchain = None
    if options.from_source:
        toolchain = _read_lock(options.toolchain_lock, TOOLCHAIN_LOCK)
    return Locks(_read_lock(options.lock, IMAGE_LOCK), toolchain)


def _read_policy(path: Path) -> bytes:
    raw = _read(path, limit=_POLICY_MAX)
    try:
        document = JsonObject(parse_json(raw, what="guest policy"), what="guest policy")
        document.choice("schema", (_POLICY_SCHEMA,))
    except ParseError as error:
        raise PolicyError(error.what, expected=error.expected, got=error.got) from None
    return raw


def _sources(options: argparse.Namespace) -> list[Source]:
    sources: list[Source] = [BundleSource(path) for path in options.bundle]
    if not options.offline:
        sources += [MirrorSource(url) for url in options.mirror]
        sources += [AptSource(), PipSource(options.index)]
    return sources


def _fetched(options: argparse.Namespace, locks: Locks) -> Store:
    store = Store(options.store)
    fetch_inputs(locks.inputs, store, _sources(options), say=_say)
    return store


def _build(options: argparse.Namespace) -> None:
    if options.reuse_compiled and not options.from_source:
        raise PolicyError("--reuse-compiled", expected="--from-source with it", got="none")
    locks = _read_locks(options)
    policy = _read_policy(options.policy)
    store = _fetched(options, locks)
    compilation = Compilation(
        parent=options.out.absolute().parent,
        byte_code=options.byte_code,
        reuse=options.reuse_compiled,
        say=_say,
    )
    source = read_source(options.source)
    files = build(locks, store, source=source, guest_policy=policy, compilation=compilation)
    write_folder(options.out, files)
    for name, content in sorted(files.items()):
        sys.stdout.write(f"{sha256(content).hexdigest()}  {name}\n")


def _bundle(options: argparse.Namespace) -> None:
    locks = _read_locks(options)
    store = _fetched(options, locks)
    with new_file(options.out) as partial:
        write_bundle(partial, locks=locks.files, inputs=locks.inputs, store=store)
    _say(f"wrote {options.out}")


def _fetch(options: argparse.Namespace) -> None:
    locks = _read_locks(options)
    store = _fetched(options, locks)
    _say(f"all {len(locks.inputs)} inputs are in {store.root}")


def _relock(options: argparse.Namespace) -> None:
    path, form = options.lock, IMAGE_LOCK
    if options.from_source:
        path, form = options.toolchain_lock, TOOLCHAIN_LOCK
    old = _read_lock(path, form).lock if path.exists() else None
    new = _made_lock(options)
    for line in changes(old, new) if old != new else ["nothing changed"]:
        sys.stdout.write(f"{line}\n")
    if not options.dry_run:
        replace_file(path, encode_lock(new))


def _made_lock(options: argparse.Namespace) -> Lock:
    mirror = (options.mirror or machine_mirrors())[0]
    if options.from_source:
        new = make_toolchain_lock(mirror=mirror, keyring=options.keyring, say=_say)
        check_toolchain(parse_lock(encode_lock(new), TOOLCHAIN_LOCK))
        return new
    new = make_lock(mirror=mirror, keyring=options.keyring, index=options.index, say=_say)
    check_recipe(parse_lock(encode_lock(new), IMAGE_LOCK))
    return new


def _verify_lock(options: argparse.Namespace) -> None:
    locks = _read_locks(options)
    locks.check()
    for file in (locks.image, locks.toolchain):
        if file is not None:
            word = "lock" if file is locks.image else "toolchain lock"
            count = len(file.lock.inputs)
            sys.stdout.write(f"{word} {file.sha256.hex()}, {count} inputs\n")
    sys.stdout.write(f"source {source_digest(read_source(options.source)).hex()}\n")


def _say(text: str) -> None:
    sys.stderr.write(f"cvm-image: {text}\n")
