"""The main job, told as it happens: log a release, measure it, collect evidence, reach a verdict.

Run by ``make demo``. Every line that begins with ``$`` is a command that anyone can type. The
platform is simulated and its vendor keys are synthetic, so the verdict proves nothing about
hardware, and says so; every other check is the real one.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from demo.toy_release import ARTIFACTS, COMMAND_LINE, policy_text, statement
from verifier.evidence.report_data import report_data_of_nonce

ROOT = Path(__file__).resolve().parents[1]
WORK = Path("work-demo")
BIN = Path(os.path.relpath(Path(sys.executable).parent, ROOT))

_FIRST_BYTE_OF_REPORT_DATA = 0x50


def main() -> int:
    """Run the demo; the exit code is that of the last verdict."""
    os.chdir(ROOT)
    shutil.rmtree(WORK, ignore_errors=True)
    say("a release: firmware, kernel, initrd and command line of a toy CVM")
    measurement = make_release()
    say("a log, and a publisher who signs the release and logs it")
    log_key = run("cvm-log init @/log --origin demo.invalid/log").strip()
    keygen = "cvm-audit release keygen --name demo.invalid/publisher -o @/publisher.key"
    publisher_key = run(keygen).strip()
    for version in ("0.9.0", "1.0.0"):
        text = json.dumps(statement(measurement, version), indent=2)
        write(f"statement-{version}.json", text.encode())
    write("policy.toml", policy_text(log_key, publisher_key).encode())
    with served_log() as url:
        publish_and_fetch(url, log_key)
    say("a simulated machine runs it, and answers a fresh nonce with a report")
    nonce = secrets.token_bytes(32)
    simulate(measurement, nonce)
    say("report, certificate, release and proof become one bundle")
    capture("report.bin", nonce, "bundle")
    return judge(nonce)


def make_release() -> str:
    """Write the artifacts and measure them; the launch measurement in hex."""
    for name, content in ARTIFACTS.items():
        write(name, content)
        print(f"  {name}: {len(content)} bytes, sha256 {sha256(content).hexdigest()}")
    return run(
        "cvm-audit measure sev-snp --firmware @/firmware.fd --kernel @/kernel.bin"
        f" --initrd @/initrd.bin --cmdline '{COMMAND_LINE}' --vcpus 2 --vcpu-type EPYC-v4"
    ).strip()


def publish_and_fetch(url: str, key: str) -> None:
    """Log the release, fetch it back with its proof, and judge what came back."""
    log = f"--log {url} --vkey {key}"
    for version in ("0.9.0", "1.0.0"):
        publish = f"cvm-audit release publish @/statement-{version}.json --key @/publisher.key"
        index = run(f"{publish} {log} -o @/published-{version}").strip()
    run(f"cvm-audit release fetch --index {index} {log} -o @/release")
    entry = "@/release/entry.json --proof @/release/entry.tlog-proof"
    # The policy also asks for evidence, which is still to come: so far PARTIAL, exit 4.
    run(f"cvm-audit release verify {entry} --policy @/policy.toml", expect=4)


def simulate(measurement: str, nonce: bytes) -> None:
    """Make vendor keys that nobody can mistake for AMD's, and a report signed under them."""
    platform = "python -m pipeline.platform"
    run(f"{platform} init @/simulated --product Milan")
    write("trust-root/simulated.json", (WORK / "simulated" / "root.json").read_bytes())
    run(
        f"{platform} report @/simulated --measurement {measurement} --report-data"
        f" {report_data_of_nonce(nonce).hex()} -o @/report.bin --vek-out @/vek.der"
    )


def capture(report: str, nonce: bytes, bundle: str) -> None:
    """Assemble a bundle."""
    run(
        f"cvm-audit evidence capture --report @/{report} --vek @/vek.der"
        " --entry @/release/entry.json --proof @/release/entry.tlog-proof"
        f" --nonce {nonce.hex()} --policy @/policy.toml -o @/{bundle}"
    )


def judge(nonce: bytes) -> int:
    """Show a FAILED verdict for one flipped byte, then the verdict on the bundle itself."""
    say("first, what one flipped byte does")
    report = bytearray((WORK / "report.bin").read_bytes())
    report[_FIRST_BYTE_OF_REPORT_DATA] ^= 1
    write("flipped.bin", bytes(report))
    capture("flipped.bin", nonce, "flipped")
    at = f"--at {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} --offline"
    options = f"--policy @/policy.toml --trust-root @/trust-root {at}"
    run(f"cvm-audit verify @/flipped {options}", expect=1, show=failures)
    say("now the bundle as it is; the last line says how to judge it again")
    return subprocess.run(command(f"cvm-audit verify @/bundle {options}"), check=False).returncode


def failures(output: str) -> str:
    """The part of a verdict that a reader looks for first: what failed, and the last line."""
    lines = output.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("fail"))
    return "\n".join([*lines[first : first + 5], "…", lines[-1]])


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
            yield listening_url(server)
        finally:
            server.terminate()
            server.communicate(timeout=30)


def listening_url(server: subprocess.Popen[str]) -> str:
    """The address that the server prints once it is ready."""
    assert server.stdout is not None
    for line in server.stdout:
        print(f"  {line}", end="", flush=True)
        if "listening on " in line:
            return line.split("listening on ", 1)[1].split()[0]
    raise SystemExit("the log did not start")


def command(text: str) -> list[str]:
    """Show a command line and split it. ``@/`` is the work folder."""
    words = shlex.split(text.replace("@/", f"{WORK}/"))
    words[0] = str(BIN / words[0])
    print(f"$ {shlex.join(words)}", flush=True)
    return words


def run(text: str, *, expect: int = 0, show: Callable[[str], str] = str) -> str:
    """Run a command, show its output through ``show``, and return its stdout."""
    done = subprocess.run(command(text), capture_output=True, text=True, check=False)
    for line in (show(done.stdout) + done.stderr).splitlines():
        print(f"  {line}", flush=True)
    if done.returncode != expect:
        raise SystemExit(f"exit {done.returncode} (expected {expect})")
    return done.stdout


def write(name: str, content: bytes) -> None:
    """Write a file of the work folder."""
    path = WORK / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def say(what: str) -> None:
    """Tell what comes next."""
    print(f"\n== {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
