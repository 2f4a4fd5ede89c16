"""Pure rooms: bytes and values in, values out; no world, no clock, no chance, no secrets."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import (
    Module,
    Violation,
    assert_holds,
    broken,
    functions,
    imports,
    last_name,
    snippet,
    within,
    words,
)

PURE = (
    "verifier.errors",
    "verifier.tlog",
    "verifier.wire",
    "verifier.release",
    "verifier.evidence",
    "verifier.measurement",
    "verifier.appraisal",
    "verifier.roots",
    "verifier.report",
    # The rest of that room starts adapters and reads folders.
    "verifier.conformance.fixture",
    "verifier.conformance.marks",
    "verifier.conformance.our_adapter",
    "verifier.conformance.protocol",
    "log_server.admission",
    "log_server.sequencer",
    "log_server.tree",
)

WORLD = words(
    """
    asyncio atexit builtins concurrent ctypes fcntl fileinput ftplib getpass glob http importlib
    io linecache locale logging mmap multiprocessing os platform pty queue random resource runpy
    sched secrets select selectors shelve shutil signal smtplib socket socketserver sqlite3 ssl
    subprocess sys tempfile threading time tty urllib uuid warnings webbrowser zoneinfo
    """
)
PURE_PATHS = ("pathlib.PurePath", "pathlib.PurePosixPath")
CALLS = words(
    """
    __import__ breakpoint compile eval exec exit globals help input open print quit
    """
)
METHODS = words(
    """
    cwd expanduser home iterdir mkdir read_bytes read_text rglob rmdir samefile symlink_to touch
    unlink write_bytes write_text
    """
)
CLOCKS = frozenset({"now", "utcnow", "today"})

# Whoever holds a private key can lie. In the judge only the verbs that publish hold one.
SIGNERS = ("verifier.cli", "log_server.signer", "log_server.witness", "pipeline")
# A key that opens what was sealed to it signs nothing, so it cannot lie. These are made for one
# session or one answer, and never stored.
OPENERS = (
    "verifier.wire.sealed",
    "verifier.client.session",
    # The gateway hands its key in; what opens with it is a request to the gateway, nothing more.
    "verifier.wire.ohttp",
)
PRIVATE_KEY = re.compile(r"PrivateKey|private_key")

JUDGING = re.compile(r"(verify|open|authenticate|appraise)_")


def world_imports(module: Module) -> Iterator[Violation]:
    if not any(within(module.name, room) for room in PURE):
        return
    for line, target in imports(module):
        package = target.split(".")[0]
        if package in WORLD or (package == "pathlib" and target not in PURE_PATHS):
            yield Violation(module.path, line, f"a pure room may not import {target}")


def world_calls(module: Module) -> Iterator[Violation]:
    if not any(within(module.name, room) for room in PURE):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id in CALLS:
            yield Violation(module.path, node.lineno, f"a pure room may not use {node.id}")
        elif isinstance(node, ast.Attribute):
            clock = node.attr in CLOCKS and last_name(node.value) in ("datetime", "date")
            if clock or node.attr in METHODS:
                yield Violation(module.path, node.lineno, f"a pure room may not use .{node.attr}")


def private_keys(module: Module) -> Iterator[Violation]:
    if any(within(module.name, place) for place in (*SIGNERS, *OPENERS)):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name | ast.Attribute) and PRIVATE_KEY.search(last_name(node)):
            name = last_name(node)
            yield Violation(module.path, node.lineno, f"{name}: private keys live in {SIGNERS}")
    for line, target in imports(module):
        if PRIVATE_KEY.search(target):
            yield Violation(module.path, line, f"{target}: private keys live in {SIGNERS}")


def judging_while_fetching(module: Module) -> Iterator[Violation]:
    if not within(module.name, "verifier.fetch"):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and JUDGING.match(last_name(node.func)):
            rule = f"fetch verifies nothing, and this calls {last_name(node.func)}"
            yield Violation(module.path, node.lineno, rule)


def doors_in_the_wrong_room(module: Module) -> Iterator[Violation]:
    homes = {"fetch_": "verifier.fetch", "render_": "verifier.report"}
    for node in functions(module) if within(module.name, "verifier") else ():
        for prefix, home in homes.items():
            if node.name.startswith(prefix) and not within(module.name, home):
                rule = f"{node.name} belongs into {home}"
                yield Violation(module.path, node.lineno, rule)


def test_pure_rooms_import_no_world() -> None:
    assert_holds(world_imports)


def test_an_imported_world_is_reported() -> None:
    for world in ("os", "sys", "time", "random", "secrets", "socket", "subprocess", "logging"):
        bad = snippet("verifier.appraisal.appraise", f"\nimport {world}\n")
        assert broken(world_imports, bad) == [
            f"verifier/appraisal/appraise.py:2: a pure room may not import {world}"
        ]
    assert broken(world_imports, snippet("verifier.roots.amd", "from pathlib import Path\n"))
    assert broken(world_imports, snippet("verifier.roots.amd", "from os import environ\n"))
    assert not broken(
        world_imports, snippet("verifier.evidence.bundle", "from pathlib import PurePath")
    )
    assert not broken(world_imports, snippet("verifier.fetch.http", "import socket\n"))


def test_pure_rooms_call_no_world() -> None:
    assert_holds(world_calls)


def test_a_call_into_the_world_is_reported() -> None:
    for call, name in (
        ("open('x')", "open"),
        ("print(1)", "print"),
        ("input()", "input"),
        ("datetime.now(UTC)", ".now"),
        ("datetime.datetime.utcnow()", ".utcnow"),
        ("date.today()", ".today"),
        ("path.read_bytes()", ".read_bytes"),
        ("path.write_text('x')", ".write_text"),
        ("sorted(x, key=eval)", "eval"),
    ):
        assert broken(world_calls, snippet("verifier.report.text", call)) == [
            f"verifier/report/text.py:1: a pure room may not use {name}"
        ]
    assert not broken(world_calls, snippet("verifier.report.text", "context.now\n"))
    assert not broken(world_calls, snippet("verifier.cli.verify", "datetime.now(UTC)\n"))


def test_private_keys_live_where_things_are_signed() -> None:
    assert_holds(private_keys)


def test_a_private_key_elsewhere_is_reported() -> None:
    bad = snippet("verifier.tlog.note", "\nkey = Ed25519PrivateKey.generate()\n")
    assert len(broken(private_keys, bad)) == 1
    assert broken(private_keys, bad)[0].startswith("verifier/tlog/note.py:2: Ed25519PrivateKey:")
    assert broken(private_keys, snippet("log_server.app", "ec.generate_private_key(curve)\n"))
    assert broken(private_keys, snippet("log_server.app", "from x import load_pem_private_key\n"))
    assert not broken(private_keys, snippet("log_server.signer", bad.text))


def test_fetch_does_not_judge() -> None:
    assert_holds(judging_while_fetching)


def test_judging_while_fetching_is_reported() -> None:
    bad = snippet("verifier.fetch.log", "def fetch_checkpoint(raw):\n    open_checkpoint(raw)\n")
    assert broken(judging_while_fetching, bad) == [
        "verifier/fetch/log.py:2: fetch verifies nothing, and this calls open_checkpoint"
    ]


def test_doors_stand_in_their_rooms() -> None:
    assert_holds(doors_in_the_wrong_room)


def test_a_door_in_the_wrong_room_is_reported() -> None:
    bad = snippet("verifier.evidence.bundle", "def fetch_bundle(url): ...\n")
    assert broken(doors_in_the_wrong_room, bad) == [
        "verifier/evidence/bundle.py:1: fetch_bundle belongs into verifier.fetch"
    ]
