"""The main job on the reference CVM: build, log, rebuild, boot, reach, ask, tamper, judge."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

from demo.log import last_line, make_keys, publish, served_log
from demo.policy import policy_text
from demo.provisions import STORE, Reach
from demo.shell import WORK, command, run, say, write

__all__ = ["main"]

_FLOOR = "Milan:bootloader=4,tee=0,snp=24,microcode=219"
_MIDDLE_OF_REPORT = 0x50  # REPORT_DATA starts there
_PARTIAL, _FAILED = 4, 1
_CHAT = "tests/verifier/wire/workload/chats/trip_en.txt"
_KEYS = ("issuer", "gateway")
_OPTIONS = "--keys @/keys --policy @/policy.toml --platform @/simulated --trust-root @/trust-root"


def main(reach: Reach) -> int:
    """Run it; the exit code is that of the last verdict."""
    say("a log, and a publisher")
    log, publisher = make_keys()
    policy = policy_text("reference-cvm", log=log, publisher=publisher, path=True)
    write("policy.toml", policy)
    say("a release: the image of the reference CVM, built from pinned inputs")
    _build(reach, log, publisher)
    say("the keys of the private path: the gateway's, and the issuer's of anonymous tokens")
    run("python -m pipeline.keys init @/keys --origin gateway.demo.invalid")
    run("python -m pipeline.platform init @/simulated --product Milan")
    write("trust-root/simulated.json", (WORK / "simulated" / "root.json").read_bytes())
    with served_log() as url:
        say("the publisher signs all of it, and the log takes it")
        for name in _KEYS:
            statement = f"keys/key-configuration/{name}.json"
            publish(statement, url=url, key=log, output=f"logged-{name}")
        publish("statement-0.9.0.json", url=url, key=log, output="old")
        index = publish("statement-1.0.0.json", url=url, key=log, output="new")
        _drive(reach, url)
    say("what one changed byte does: in the evidence")
    _change_evidence()
    say("and in a file of the release")
    _change_kernel(index)
    say("the evidence as it is, judged again offline; the last line says how to do that next year")
    now = f"--at {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} --offline"
    judge = f"cvm-audit verify @/bundle --policy @/policy.toml --trust-root @/trust-root {now}"
    code = subprocess.run(command(judge), check=False).returncode
    return code if reach is Reach.MACHINE else code or _PARTIAL


def _build(reach: Reach, log: str, publisher: str) -> None:
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
    # It is booted nine times: with byte code, which needs a sandbox, each takes a quarter less.
    run(f"{build} --store {STORE} {'' if reach is Reach.BOOT else '--byte-code'}")
    end = f"{datetime.now(UTC) + timedelta(days=365):%Y-%m-%dT%H:%M:%SZ}"
    for version, security in (("0.9.0", 1), ("1.0.0", 2)):
        run(
            f"cvm-audit release prepare @/image --product reference-cvm --version {version}"
            f" --security-version {security} --not-after {end} --vcpus 1,2,4 --types EPYC-Milan"
            f" --minimum-tcb {_FLOOR} -o @/statement-{version}.json"
        )


def _drive(reach: Reach, url: str) -> None:
    say("an auditor, with log and policy alone, takes the newest release")
    if reach is not Reach.BOOT:
        print(f"  it is built again, twice, from the inputs in {STORE}, and every byte is compared")
    # What was built is not offered to the rebuild, but for the policy that went into it.
    again = "" if reach is Reach.BOOT else f"--rebuild --store {STORE}"
    more = ""
    if reach is Reach.PROCESS:
        print("  no QEMU here: its program runs in a sandbox, and nothing is measured at a boot")
        more = "--process --no-tamper"
    else:
        print(
            "  two of it boot, are asked through issuer, relay and gateway, and promises are tried"
        )
    run(
        f"cvm-audit drive --log {url} --from @/image {again} --work @/fetched"
        f" {_OPTIONS} --chat {_CHAT} --bundle @/bundle {more}",
        expect=(_PARTIAL,) if reach is Reach.PROCESS else (0,),
        show=verdict,
    )


def _change_evidence() -> None:
    shutil.copytree(WORK / "bundle", WORK / "flipped")
    path = WORK / "flipped" / "evidence" / "report.bin"
    report = bytearray(path.read_bytes())
    report[_MIDDLE_OF_REPORT] ^= 1
    path.write_bytes(report)
    options = "--policy @/policy.toml --trust-root @/trust-root --offline"
    run(f"cvm-audit verify @/flipped {options}", expect=(_FAILED,), show=failures)


def _change_kernel(index: str) -> None:
    shutil.copytree(WORK / "image", WORK / "changed")
    path = WORK / "changed" / "kernel.bin"
    kernel = bytearray(path.read_bytes())
    kernel[len(kernel) // 2] ^= 1
    path.write_bytes(kernel)
    logged = " ".join(f"--logged-keys @/logged-{name}" for name in _KEYS)
    given = f"--release @/fetched/release-{index} --artifacts @/changed {logged}"
    run(f"cvm-audit drive {given} {_OPTIONS}", expect=(_FAILED,), show=failures)


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
