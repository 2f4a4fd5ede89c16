"""The main job on the reference CVM: build, log, rebuild, boot, reach, ask, tamper, judge."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

from demo.log import last_line, make_keys, publish_and_fetch
from demo.policy import policy_text
from demo.provisions import STORE, Reach
from demo.shell import WORK, command, run, say, write

__all__ = ["main"]

_FLOOR = "Milan:bootloader=4,tee=0,snp=24,microcode=219"
_MIDDLE_OF_REPORT = 0x50  # REPORT_DATA starts there
_PARTIAL, _FAILED = 4, 1
_CHAT = "tests/verifier/wire/workload/chats/trip_en.txt"
_KEYS = ("issuer", "gateway")


def main(reach: Reach) -> int:
    """Run it; the exit code is that of the last verdict."""
    say("a log, and a publisher")
    log, publisher = make_keys()
    policy = policy_text("reference-cvm", log=log, publisher=publisher, path=True)
    write("policy.toml", policy)
    say("a release: the image of the reference CVM, built from pinned inputs")
    _build(log, publisher)
    say("the keys of the private path: the gateway's, and the issuer's of anonymous tokens")
    run("python -m pipeline.keys init @/keys --origin gateway.demo.invalid")
    say("the publisher signs all of it, the log takes it, and an auditor fetches it with its proof")
    beside = {f"logged-{name}": f"keys/key-configuration/{name}.json" for name in _KEYS}
    publish_and_fetch("statement-0.9.0.json", "statement-1.0.0.json", key=log, beside=beside)
    say("the auditor builds the logged release again, twice, and compares every byte")
    options = f"--policy @/policy.toml --artifacts @/image --store {STORE} --offline"
    # The evidence that the policy wants is still to come: PARTIAL again.
    run(f"cvm-audit release rebuild @/release {options}", expect=(_PARTIAL,), show=verdict)
    _drive(reach)
    say("what one changed byte does: in the evidence")
    _change_evidence()
    say("and in a file of the release")
    _change_kernel()
    say("the evidence as it is, judged again offline; the last line says how to do that next year")
    now = f"--at {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} --offline"
    judge = f"cvm-audit verify @/bundle --policy @/policy.toml --trust-root @/trust-root {now}"
    code = subprocess.run(command(judge), check=False).returncode
    return code if reach is Reach.MACHINE else code or _PARTIAL


def _build(log: str, publisher: str) -> None:
    guest_policy = {
        "schema": "cvm-audit/guest-policy/v1",
        "role": "summariser",
        "logPolicy": f"log {log}\nquorum none\n",
        "publishers": [publisher],
        "publisherThreshold": 1,
        "listen": 8443,
    }
    write("guest-policy.json", json.dumps(guest_policy, indent=2).encode())
    build = "python -m pipeline.image build -o @/image --policy @/guest-policy.json --offline"
    run(f"{build} --store {STORE}")
    end = f"{datetime.now(UTC) + timedelta(days=365):%Y-%m-%dT%H:%M:%SZ}"
    for version, security in (("0.9.0", 1), ("1.0.0", 2)):
        run(
            f"cvm-audit release prepare @/image --product reference-cvm --version {version}"
            f" --security-version {security} --not-after {end} --vcpus 1,2,4 --types EPYC-Milan"
            f" --minimum-tcb {_FLOOR} -o @/statement-{version}.json"
        )


def _drive(reach: Reach) -> None:
    run("python -m pipeline.platform init @/simulated --product Milan")
    write("trust-root/simulated.json", (WORK / "simulated" / "root.json").read_bytes())
    if reach is Reach.MACHINE:
        say("two of it boot, and are asked through issuer, relay and gateway; promises are tried")
        run(f"{_drive_command('@/image')} --chat {_CHAT} --bundle @/bundle", show=verdict)
    else:
        say("no QEMU here: its program runs in a sandbox, and nothing is measured at a boot")
        drive = (
            f"{_drive_command('@/image')} --process --no-tamper --chat {_CHAT} --bundle @/bundle"
        )
        run(drive, expect=(_PARTIAL,), show=verdict)


def _drive_command(artifacts: str) -> str:
    logged = " ".join(f"--logged-keys @/logged-{name}" for name in _KEYS)
    return (
        f"cvm-audit drive --release @/release --artifacts {artifacts} --keys @/keys {logged}"
        " --policy @/policy.toml --platform @/simulated --trust-root @/trust-root"
    )


def _change_evidence() -> None:
    shutil.copytree(WORK / "bundle", WORK / "flipped")
    path = WORK / "flipped" / "evidence" / "report.bin"
    report = bytearray(path.read_bytes())
    report[_MIDDLE_OF_REPORT] ^= 1
    path.write_bytes(report)
    options = "--policy @/policy.toml --trust-root @/trust-root --offline"
    run(f"cvm-audit verify @/flipped {options}", expect=(_FAILED,), show=failures)


def _change_kernel() -> None:
    shutil.copytree(WORK / "image", WORK / "changed")
    path = WORK / "changed" / "kernel.bin"
    kernel = bytearray(path.read_bytes())
    kernel[len(kernel) // 2] ^= 1
    path.write_bytes(kernel)
    run(_drive_command("@/changed"), expect=(_FAILED,), show=failures)


def failures(output: str) -> str:
    """The part of a verdict that a reader looks for first: what failed, and the last line."""
    lines = output.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("fail"))
    return "\n".join([*lines[first : first + 5], "…", last_line(output)])


def verdict(output: str) -> str:
    """The checks of this verb alone, and the last line: what both verdicts share comes later."""
    own = ("rebuild.", "drive.", "session.", "keys.")
    lines = [line for line in output.splitlines() if any(f"  {name}" in line for name in own)]
    return "\n".join([*lines, "…", last_line(output)])
