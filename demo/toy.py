"""The main job where nothing can be booted: a toy release, and a report about it."""

from __future__ import annotations

import json
import secrets
import subprocess
from datetime import UTC, datetime
from hashlib import sha256

from demo.log import make_keys, publish_and_fetch
from demo.policy import policy_text
from demo.reference import failures
from demo.shell import WORK, command, run, say, write
from demo.toy_release import ARTIFACTS, COMMAND_LINE, statement
from verifier.evidence.report_data import report_data_of_nonce

__all__ = ["main"]

_FIRST_BYTE_OF_REPORT_DATA = 0x50


def main() -> int:
    """Run it; the exit code is PARTIAL's at best, because nothing was booted."""
    say("a release: firmware, kernel, initrd and command line of a toy CVM")
    measurement = _make_release()
    say("a log, and a publisher who signs the release and logs it")
    log, publisher = make_keys()
    for version in ("0.9.0", "1.0.0"):
        text = json.dumps(statement(measurement, version), indent=2)
        write(f"statement-{version}.json", text.encode())
    policy = policy_text("toy-cvm", log=log, publisher=publisher, path=False)
    write("policy.toml", policy)
    publish_and_fetch("statement-0.9.0.json", "statement-1.0.0.json", key=log)
    say("a simulated machine answers a fresh nonce with a report")
    nonce = secrets.token_bytes(32)
    _simulate(measurement, nonce)
    say("report, certificate, release and proof become one bundle")
    _capture("report.bin", nonce, "bundle")
    return _judge(nonce)


def _make_release() -> str:
    for name, content in ARTIFACTS.items():
        write(name, content)
        print(f"  {name}: {len(content)} bytes, sha256 {sha256(content).hexdigest()}")
    return run(
        "cvm-audit measure sev-snp --firmware @/firmware.fd --kernel @/kernel.bin"
        f" --initrd @/initrd.bin --cmdline '{COMMAND_LINE}' --vcpus 2 --vcpu-type EPYC-v4"
    ).strip()


def _simulate(measurement: str, nonce: bytes) -> None:
    # Vendor keys that nobody can mistake for AMD's, and a report signed under them.
    platform = "python -m pipeline.platform"
    run(f"{platform} init @/simulated --product Milan")
    write("trust-root/simulated.json", (WORK / "simulated" / "root.json").read_bytes())
    run(
        f"{platform} report @/simulated --measurement {measurement} --report-data"
        f" {report_data_of_nonce(nonce).hex()} -o @/report.bin --vek-out @/vek.der"
    )


def _capture(report: str, nonce: bytes, bundle: str) -> None:
    run(
        f"cvm-audit evidence capture --report @/{report} --vek @/vek.der"
        " --entry @/release/entry.json --proof @/release/entry.tlog-proof"
        f" --nonce {nonce.hex()} --policy @/policy.toml -o @/{bundle}"
    )


def _judge(nonce: bytes) -> int:
    say("first, what one flipped byte does")
    report = bytearray((WORK / "report.bin").read_bytes())
    report[_FIRST_BYTE_OF_REPORT_DATA] ^= 1
    write("flipped.bin", bytes(report))
    _capture("flipped.bin", nonce, "flipped")
    at = f"--at {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} --offline"
    options = f"--policy @/policy.toml --trust-root @/trust-root {at}"
    run(f"cvm-audit verify @/flipped {options}", expect=(1,), show=failures)
    say("now the bundle as it is; the last line says how to judge it again")
    judged = subprocess.run(command(f"cvm-audit verify @/bundle {options}"), check=False)
    return judged.returncode or 4
