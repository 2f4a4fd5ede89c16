"""What one run of the judge costs from nothing, beside loading the library of certificates alone.

    python benchmarks/verify_cold.py [--rounds N] [--at-most RATIO]

``cvm-audit verify BUNDLE --offline`` under a policy that requires evidence, log and release, and
``python -c "import cryptography.x509"``, one after the other in turn; CPU time of the child, user
and system, medians. With ``--at-most`` a higher ratio is exit code 1.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from pipeline.platform.simulated_vendor import root_document
from tests.making import NOW, Log, bundle, entry, policy
from tests.synthetic_amd import simulated_amd
from verifier.evidence.report_data import report_data_of_nonce

ROOT = Path(__file__).resolve().parents[1]
NONCE = bytes(range(32))
BESIDE = [sys.executable, "-c", "import cryptography.x509"]


def write_case(folder: Path) -> list[str]:
    """Write bundle, policy and root below ``folder``; return the command that judges them."""
    amd, release = simulated_amd(), entry()
    log = Log((b"one", b"two", release, b"four", b"five"))
    contents = {
        "snp-report": amd.report(report_data=report_data_of_nonce(NONCE)),
        "snp-vek": amd.vek(),
        "snp-crl": amd.crl(),
        "release-entry": release,
        "release-proof": log.proof(2),
        "nonce": NONCE,
    }
    files = {f"bundle/{path}": data for path, data in bundle(contents).items()}
    files["policy.toml"] = policy(log, report_data="nonce", crl="fresh")
    files["roots/simulated.json"] = root_document(amd.vendor)
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    command = [sys.executable, "-m", "verifier", "verify", str(folder / "bundle"), "--offline"]
    command += ["--policy", str(folder / "policy.toml"), "--trust-root", str(folder / "roots")]
    return [*command, "--at", f"{NOW:%Y-%m-%dT%H:%M:%SZ}"]


def cpu_seconds(command: list[str]) -> float:
    """CPU time of the command, which must succeed."""
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, command
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description="Time a cold run of the judge.")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--at-most", type=float, metavar="RATIO")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = write_case(Path(folder))
        cpu_seconds(command)  # writes the byte code
        taken = [
            (cpu_seconds(command), cpu_seconds(BESIDE)) for _ in range(max(1, arguments.rounds))
        ]
    judged, beside = (statistics.median(column) for column in zip(*taken, strict=True))
    ratio = judged / beside
    print(f"cvm-audit verify --offline       {judged * 1000:6.1f} ms   x {ratio:.2f}")
    print(f"import cryptography.x509         {beside * 1000:6.1f} ms   x 1.00")
    return int(arguments.at_most is not None and ratio > arguments.at_most)


if __name__ == "__main__":
    sys.exit(main())
