"""The program as a user runs it: a process, its output, its exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from verifier.tlog.note import parse_vkey

REPOSITORY = Path(__file__).resolve().parents[2]


def cvm_log(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "log_server.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False, timeout=60)
    assert b"Traceback" not in done.stderr
    return done


def _text(done: subprocess.CompletedProcess[bytes], code: int = 0) -> str:
    assert done.returncode == code, done.stderr
    return done.stdout.decode()


def _error(done: subprocess.CompletedProcess[bytes], code: int) -> str:
    assert (done.returncode, done.stdout) == (code, b"")
    return done.stderr.decode()


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, str]:
    vkey = _text(cvm_log("init", tmp_path / "log", "--origin", "log.test/cli")).removesuffix("\n")
    return tmp_path / "log", vkey


def _files(folder: Path, *contents: bytes) -> list[Path]:
    paths = [folder / f"entry-{number}" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


@contextmanager
def served(root: Path, *, end: int = signal.SIGTERM) -> Iterator[str]:
    command = [sys.executable, "-m", "log_server.cli", "serve", str(root), "--listen"]
    with subprocess.Popen(
        [*command, "127.0.0.1:0"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), process.stderr.read()
        try:
            yield line.removeprefix("listening on ").removesuffix("\n")
        finally:
            process.send_signal(end)
            assert process.wait(30) == 0
            said = process.stderr.read()
            assert "journal_mode=" in said
            assert "Traceback" not in said


def test_help_is_quick_and_loads_neither_database_nor_server() -> None:
    done = cvm_log("--help")
    for verb in ("fsck", "init", "publish", "serve", "show"):
        assert f"  {verb}" in _text(done)
    script = (
        "import sys; import log_server.cli.app as app; "
        "app.cli.main(['--help'], standalone_mode=False); "
        "print(sorted({'sqlalchemy', 'httptools', 'uvloop', 'requests'} & set(sys.modules)))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, check=True
    )
    assert loaded.stdout.decode().splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", ["fsck", "init", "publish", "serve", "show"])
def test_every_verb_has_help(verb: str) -> None:
    assert _text(cvm_log(verb, "--help")).startswith(f"Usage: cvm-log {verb} ")


def test_init_prints_the_key_alone(made: tuple[Path, str]) -> None:
    root, vkey = made
    assert parse_vkey(vkey).name == "log.test/cli"
    again = _error(cvm_log("init", root, "--origin", "log.test/cli"), 2)
    assert again == f"cvm-log: {root}: a used one (expected a new or empty directory)\n"
    named = _error(cvm_log("init", root.parent / "x", "--origin", "two words"), 2)
    assert named.startswith("cvm-log: name of the log: 'two words' (expected ")


def test_publish_show_and_fsck(made: tuple[Path, str], tmp_path: Path) -> None:
    root, vkey = made
    files = _files(tmp_path, b"one", b"\x00\xff", b"one")
    published = _text(cvm_log("publish", root, *files))
    assert published == f"0 {files[0]}\n1 {files[1]}\n0 {files[2]}\n"
    shown = cvm_log("show", root)
    lines = _text(shown).splitlines()
    assert lines[:2] == ["origin log.test/cli", "size 2"]
    assert lines[2].startswith("root ")
    assert lines[3].startswith("signature log.test/cli ")
    assert shown.stderr == b"cvm-log: nothing was verified; see cvm-log fsck\n"
    entry = cvm_log("show", root, "--index", "1")
    assert (entry.returncode, entry.stdout) == (0, b"\x00\xff")
    assert b"nothing was verified" in entry.stderr
    for place in (root, root / "public"):
        sound = cvm_log("fsck", place, "--vkey", vkey)
        assert _text(sound).splitlines() == ["size 2", lines[2], "sound"]
        assert b"entries/s" in sound.stderr


def test_show_of_an_index_that_is_not_there(made: tuple[Path, str]) -> None:
    error = _error(cvm_log("show", made[0], "--index", "0"), 2)
    assert "0 (expected an index below the size 0)" in error


def test_show_of_a_log_without_its_bundle(made: tuple[Path, str], tmp_path: Path) -> None:
    root, _ = made
    _text(cvm_log("publish", root, *_files(tmp_path, b"one")))
    (root / "public/tile/entries/000.p/1").unlink()
    error = _error(cvm_log("show", root, "--index", "0"), 3)
    assert error == "cvm-log: tile/entries/000.p/1: none (expected a file)\n"


def test_fsck_names_every_damaged_file(made: tuple[Path, str], tmp_path: Path) -> None:
    root, vkey = made
    _text(cvm_log("publish", root, *_files(tmp_path, b"one", b"two")))
    for path in ("tile/0/000.p/2", "tile/entries/000.p/2"):
        file = root / "public" / path
        file.write_bytes(b"\xff" + file.read_bytes()[1:])
    done = cvm_log("fsck", root, "--vkey", vkey)
    lines = _text(done, 1).splitlines()
    assert {line.partition(":")[0] for line in lines[:2]} == {
        "tile/0/000.p/2",
        "tile/entries/000.p/2",
    }
    assert lines[-1] == "damaged 2"


def test_fsck_without_a_log(tmp_path: Path, made: tuple[Path, str]) -> None:
    _, vkey = made
    nowhere = str(tmp_path / "nowhere")
    error = _error(cvm_log("fsck", nowhere, "--vkey", vkey), 3)
    assert error == f"cvm-log: {nowhere}: neither (expected a URL or a directory)\n"
    refused = _error(cvm_log("fsck", "http://127.0.0.1:9", "--vkey", vkey), 3)
    assert refused.startswith("cvm-log: http://127.0.0.1:9/checkpoint: NewConnectionError")


def test_fsck_usage(made: tuple[Path, str]) -> None:
    root, vkey = made
    assert "--vkey" in _error(cvm_log("fsck", root), 2)
    assert "vkey: 'nonsense'" in _error(cvm_log("fsck", root, "--vkey", "nonsense"), 2)
    other = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
    both = _error(cvm_log("fsck", root, "--vkey", vkey, "--vkey", other), 2)
    assert "keys of several logs" in both
    wrong = _text(cvm_log("fsck", root, "--vkey", other), 1)
    assert wrong.startswith("checkpoint: origin of the checkpoint: ")


def test_publish_refuses_bad_files_before_it_appends(
    made: tuple[Path, str], tmp_path: Path
) -> None:
    root, _ = made
    good, empty, large = _files(tmp_path, b"good", b"", bytes(65_536))
    for bad, got in ((empty, "0 bytes"), (large, "65536 bytes")):
        error = _error(cvm_log("publish", root, good, bad), 2)
        assert error == f"cvm-log: {bad}: {got} (expected 1 to 65535 bytes)\n"
    missing = _error(cvm_log("publish", root, good, tmp_path / "missing"), 2)
    assert "No such file or directory (expected a readable file)" in missing
    assert "size 0" in _text(cvm_log("show", root))


def test_publish_into_nothing(tmp_path: Path) -> None:
    (file,) = _files(tmp_path, b"one")
    error = _error(cvm_log("publish", tmp_path, file), 2)
    assert error == f"cvm-log: {tmp_path}: no log.db (expected the directory of a log)\n"


def test_a_rolled_back_database_is_refused(made: tuple[Path, str], tmp_path: Path) -> None:
    root, _ = made
    backup = (root / "log.db").read_bytes()
    files = _files(tmp_path, b"one")
    _text(cvm_log("publish", root, *files))
    (root / "log.db").write_bytes(backup)
    for arguments in (["publish", root, *files], ["serve", root, "--listen", "127.0.0.1:0"]):
        error = _error(cvm_log(*arguments), 1)
        assert error.startswith(
            "cvm-log: database was rolled back: size 0 (expected at least size 1 of the anchor)\n"
            "cvm-log: hint: "
        )


def test_a_key_that_others_may_read(made: tuple[Path, str]) -> None:
    (made[0] / "log.key").chmod(0o644)
    error = _error(cvm_log("serve", made[0], "--listen", "127.0.0.1:0"), 2)
    assert error == "cvm-log: log.key: mode 0644 (expected mode 0600)\n"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_serve(made: tuple[Path, str], tmp_path: Path, end: int) -> None:
    root, vkey = made
    with served(root, end=end) as url:
        assert requests.post(f"{url}/add", data=b"one", timeout=10).text == "0"
        (file,) = _files(tmp_path, b"two")
        busy = _error(cvm_log("publish", root, file), 1)
        assert busy.startswith("cvm-log: lock of the log: ")
        assert _text(cvm_log("fsck", f"{url}/", "--vkey", vkey)).endswith("sound\n")
        assert "size 1" in _text(cvm_log("show", url))
        assert cvm_log("show", url, "--index", "0").stdout == b"one"
    assert _text(cvm_log("publish", root, file)) == f"1 {file}\n"


@pytest.mark.parametrize("address", ["8080", ":8080", "127.0.0.1:", "127.0.0.1:+5", "h:70000"])
def test_serve_usage(made: tuple[Path, str], address: str) -> None:
    assert "--listen" in _error(cvm_log("serve", made[0], "--listen", address), 2)


def test_serve_on_a_taken_address(made: tuple[Path, str]) -> None:
    with served(made[0]) as url:
        address = url.removeprefix("http://")
        other = made[0].parent / "other"
        _text(cvm_log("init", other, "--origin", "log.test/other"))
        error = _error(cvm_log("serve", other, "--listen", address), 2)
    assert error == (
        f"cvm-log: listening address: {address}: Address already in use "
        "(expected a free local address)\n"
    )


def test_a_reader_that_leaves_is_no_bug(made: tuple[Path, str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "log_server.cli", "show", str(made[0])],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert b"Traceback" not in said
    assert b"internal error" not in said
    assert process.returncode == 3


def test_without_its_extra_the_program_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['sqlalchemy'] = None; from log_server.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "init", str(tmp_path / "log"), "--origin", "a.b/c"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'cvm-audit[log]'" in done.stderr
    assert not (tmp_path / "log").exists()
