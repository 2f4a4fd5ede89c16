"""The demo's log: made, served while the demo needs it, and read back."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

from demo.shell import command, run

__all__ = ["last_line", "make_keys", "publish", "publish_and_fetch", "served_log"]


def make_keys() -> tuple[str, str]:
    """Make a log and a publisher; their public keys."""
    log = run("cvm-log init @/log --origin demo.invalid/log").strip()
    publisher = run("cvm-audit release keygen --name demo.invalid/publisher -o @/publisher.key")
    return log, publisher.strip()


def publish(statement: str, *, url: str, key: str, output: str) -> str:
    """Sign and log a statement, keep entry and proof, and give the index of the entry."""
    options = f"--key @/publisher.key --log {url} --vkey {key} -o @/{output}"
    return run(f"cvm-audit release publish @/{statement} {options}").strip()


def publish_and_fetch(*statements: str, key: str) -> None:
    """Log the statements, fetch the last of them back with its proof, and judge what came back."""
    with served_log() as url:
        for number, statement in enumerate(statements, start=1):
            index = publish(statement, url=url, key=key, output=f"published-{number}")
        run(f"cvm-audit release fetch --index {index} --log {url} --vkey {key} -o @/release")
    entry = "@/release/entry.json --proof @/release/entry.tlog-proof"
    # The policy also asks for evidence, which is still to come: so far PARTIAL, exit 4.
    run(f"cvm-audit release verify {entry} --policy @/policy.toml", expect=(4,), show=last_line)


def last_line(output: str) -> str:
    """The verdict of a document in text."""
    return output.splitlines()[-1]


@contextlib.contextmanager
def served_log() -> Iterator[str]:
    """Serve the log on a free port of this machine while the block runs; yield its URL."""
    with subprocess.Popen(
        command("cvm-log serve @/log --listen 127.0.0.1:0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            yield _listening_url(server)
        finally:
            server.terminate()
            server.communicate(timeout=30)


def _listening_url(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        print(f"  {line}", end="", flush=True)
        if "listening on " in line:
            return line.split("listening on ", 1)[1].split()[0]
    raise SystemExit("the log did not start")
