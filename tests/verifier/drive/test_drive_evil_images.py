"""Three evil images, made by the real builder from this source with one edit each, and booted.

What catches which: the scan sees a shell and a door for the host in the bytes, the launch
measurement sees every other byte, and a guest that checks nothing of itself is caught by whoever
checks what it serves.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.deployment import LoggedImage, build_image, copy_source, log_image
from tests.running import Ran, cvm_audit
from tests.verifier.drive.deployed import LOOPBACK, evidence_of
from tests.verifier.drive.test_drive_two_guests import failures
from verifier.appraisal.drive.driven import Booted, Start
from verifier.appraisal.drive.probes import PROBES, Circumstances, judge
from verifier.appraisal.findings import Status
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.drive.machine import Boot, Ended, booted
from verifier.measurement.sev_snp import (
    SNP_ACTIVE,
    VCPU_SIGNATURES,
    Vmm,
    launch_digest,
    launch_inputs_from_binaries,
)

pytestmark = pytest.mark.slow
SECONDS = 300
_AT_ONCE = 2

GUEST = "pipeline/node/guest.py"
RECIPE = "pipeline/image/recipe.py"
ASSEMBLY = "pipeline/image/assembly.py"
OWN_RELEASE = "pipeline/node/own_release.py"
PREPARED = "    _prepare_machine()\n    state ="
MOTD = "set by the host"
HOST = "10.0.2.2"  # the host itself, as QEMU's user network calls it to a guest that may see it
BANNER = "a shell of user 0"

FROM_HOST = """\
    _prepare_machine()
    given = Path("/sys/firmware/qemu_fw_cfg/by_name/opt/environment/raw")
    if given.exists():
        os.environ.update(line.split("=", 1) for line in given.read_text().splitlines())
    _say(f"motd: {os.environ.get('MOTD')}")
    import socket
    try:
        socket.create_connection((os.environ["HOME"], int(os.environ["PORT"])), timeout=5)
        _say("home was reached")
    except OSError as error:
        _say(f"home was not reached: {type(error).__name__}")
    state ="""
WITH_SHELL = """\
    _prepare_machine()
    os.posix_spawn("/usr/bin/sh", ["sh"], {})
    state ="""
SHELL = f"""\
#!/usr/bin/python3.13 -IS
import os
os.write(1, b"{BANNER[:-1]}%d\\\\n" % os.getuid())
for line in iter(input, "exit"):
    exec(line)
"""

EDITS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "environment": {
        GUEST: {PREPARED: FROM_HOST},
        RECIPE: {
            '"fs/configfs/configfs",': '"drivers/firmware/qemu_fw_cfg", "fs/configfs/configfs",'
        },
    },
    "shell": {
        GUEST: {PREPARED: WITH_SHELL},
        ASSEMBLY: {
            "    nodes = tree.finished()\n": f"    shell = b'''{SHELL}'''\n"
            '    tree.add("usr/bin/sh", File(shell, executable=True), what="shell")\n'
            "    nodes = tree.finished()\n"
        },
    },
    "unchecked": {
        OWN_RELEASE: {
            "    verify_tlog_proof(parse_tlog_proof(proof)": "    dict(proof=proof",
            "if report.measurement not in rows:": "if report.measurement == b'':",
        }
    },
}


def edited(text: str, edits: Mapping[str, str]) -> str:
    for old, new in edits.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def evil(image_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, LoggedImage]:
    """Each built from its source, and released and logged in all order by an evil publisher."""
    made = {}
    for name, edits in EDITS.items():
        folder = tmp_path_factory.mktemp(name)
        changes = {
            path: (lambda text, edit=edit: edited(text, edit)) for path, edit in edits.items()
        }
        source = copy_source(folder / "source", changes)
        build_image(source, folder / "artifacts", store=image_store)
        made[name] = log_image(folder)
    return made


@dataclass(frozen=True)
class Seen:
    """What came of a boot; ``verdict`` is None where nobody served."""

    ended: Ended
    verdict: Verdict | None
    console: str

    @property
    def booted(self) -> Booted:
        served = self.verdict is not None
        return Booted(start=self.ended.start, words=self.ended.words, answers=served)


@dataclass(frozen=True)
class MeddlingHost:
    """Gives every guest a file that no measurement sees, and waits for one that calls home."""

    qemu: str
    folder: Path
    home: socket.socket

    def path(self, *, restricted: bool) -> str:
        """A search path whose QEMU is this host's; it may let guests out, as ours never does."""
        folder = self.folder / ("restricted" if restricted else "open")
        return f"{folder}{os.pathsep}{os.environ['PATH']}"

    def write_programs(self) -> None:
        given = self.folder / "given"
        port = self.home.getsockname()[1]
        given.write_text(f"MOTD={MOTD}\nHOME={HOST}\nPORT={port}\n")
        for name, loop in (("restricted", ""), ("open", OPEN)):
            program = self.folder / name / Path(self.qemu).name
            program.parent.mkdir()
            option = f"-fw_cfg name=opt/environment,file={given}"
            program.write_text(f'#!/bin/sh\n{loop}exec {self.qemu} "$@" {option}\n')
            # Where we are root, QEMU is started as nobody.
            for path in (self.folder, program.parent, program):
                path.chmod(0o755)
        given.chmod(0o644)

    def was_called(self) -> bool:
        try:
            self.home.accept()[0].close()
        except BlockingIOError:
            return False
        return True


OPEN = """\
for word; do
  shift
  case $word in user,*) word=$(echo "$word" | sed s/restrict=on/restrict=off/);; esac
  set -- "$@" "$word"
done
"""


@pytest.fixture(scope="module")
def host(qemu: str) -> Iterator[MeddlingHost]:
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server((LOOPBACK, 0)) as home,
    ):
        home.setblocking(False)
        made = MeddlingHost(qemu, Path(folder), home)
        made.write_programs()
        yield made


_starting = threading.Lock()


def see(client: LoggedImage, boot: Boot, path: str) -> Seen:
    with ExitStack() as stack:
        with _starting, pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", path)
            machine = stack.enter_context(booted(boot))
        ended = machine.wait(SECONDS)
        ready = ended.start is Start.READY
        verdict = client.judge(evidence_of(machine.port)) if ready else None
        return Seen(ended, verdict, machine.serial.read_text("ascii", "replace"))


@pytest.fixture(scope="module")
def seen(
    reference_image: LoggedImage, evil: Mapping[str, LoggedImage], host: MeddlingHost
) -> Mapping[str, Seen]:
    """Boots, each of an image under a release; the client trusts the publisher of that release."""
    good, unchecked = reference_image, evil["unchecked"]
    boots = {
        "good": (good, good.boot()),
        "good, wrong proof": (good, good.boot(proof=good.log.proof(0))),
        "environment": (evil["environment"], evil["environment"].boot()),
        "shell": (evil["shell"], evil["shell"].boot()),
        "shell as good": (good, _as(good, evil["shell"])),
        "unchecked as good": (good, _as(good, unchecked)),
        "unchecked, wrong proof": (unchecked, unchecked.boot(proof=unchecked.log.proof(0))),
    }
    path = host.path(restricted=True)
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        found = {name: pool.submit(see, *each, path) for name, each in boots.items()}
        return {name: each.result() for name, each in found.items()}


def _as(good: LoggedImage, other: LoggedImage) -> Boot:
    """The evil bytes, with the release and the proof of the good ones."""
    return other.boot(entry=good.entry, proof=good.proof, platform=good.folder / "platform")


def failed(ran: Ran) -> dict[str, dict[str, str]]:
    found = [each for each in json.loads(ran.out)["findings"] if each["status"] == "fail"]
    assert ran.code == (1 if found else 0), ran.out + ran.err
    return {each["check"]: each for each in found}


def scanned(image: LoggedImage) -> dict[str, str]:
    ran = cvm_audit("release", "scan", image.folder / "artifacts", "--json")
    return {check: each["got"] for check, each in failed(ran).items()}


def test_the_good_image_passes_and_ignores_what_the_host_gives(
    reference_image: LoggedImage, seen: Mapping[str, Seen]
) -> None:
    assert scanned(reference_image) == {}
    good = seen["good"]
    assert good.verdict is not None
    assert good.verdict.outcome is Outcome.VERIFIED
    assert MOTD not in good.console


@pytest.mark.parametrize("name", list(EDITS))
def test_the_drive_boots_no_other_bytes_than_the_released(
    reference_image: LoggedImage, evil: Mapping[str, LoggedImage], name: str
) -> None:
    ran = cvm_audit(*reference_image.words(artifacts=evil[name].folder / "artifacts"), "--json")
    ((check, found),) = failed(ran).items()
    assert check == "drive.artifacts"
    assert found["expected"] == sha256(reference_image.artifacts.initrd).hexdigest()
    assert sha256(evil[name].artifacts.initrd).hexdigest() in found["got"]


@pytest.mark.parametrize("name", list(EDITS))
def test_no_measurement_of_an_evil_image_is_released(
    reference_image: LoggedImage, evil: Mapping[str, LoggedImage], name: str
) -> None:
    def rows(image: LoggedImage) -> set[str]:
        return {row["value"] for row in image.statement["predicate"]["measurements"]}

    assert measured(reference_image) in rows(reference_image)
    assert measured(evil[name]) in rows(evil[name])
    assert rows(reference_image).isdisjoint(rows(evil[name]))


def measured(image: LoggedImage) -> str:
    launch: dict[str, Any] = {
        "firmware": image.artifacts.firmware,
        "kernel": image.artifacts.kernel,
        "initrd": image.artifacts.initrd,
        "cmdline": image.artifacts.cmdline,
        "vcpus": 1,
        "vcpu_signature": VCPU_SIGNATURES["EPYC-Milan"],
        "guest_features": SNP_ACTIVE,
        "vmm": Vmm.QEMU,
    }
    return launch_digest(launch_inputs_from_binaries(**launch)).hex()


# Released in all order by an evil publisher, whom the client trusts: only its bytes are left.


def test_a_guest_that_takes_its_environment_from_the_host(
    evil: Mapping[str, LoggedImage], seen: Mapping[str, Seen]
) -> None:
    boot = seen["environment"]
    assert boot.verdict is not None
    assert boot.verdict.outcome is Outcome.VERIFIED
    assert f"cvm: motd: {MOTD}" in boot.console
    found = scanned(evil["environment"])
    assert set(found) == {"scan.drivers", "scan.host_media"}
    assert found["scan.host_media"].startswith(f"usr/lib/cvm/{GUEST}: line ")
    assert found["scan.host_media"].endswith(" says '/sys/firmware/qemu'")
    assert "qemu_fw_cfg.ko: a driver" in found["scan.drivers"]


def test_a_guest_reaches_nobody(
    evil: Mapping[str, LoggedImage], seen: Mapping[str, Seen], host: MeddlingHost
) -> None:
    assert "cvm: home was not reached: " in seen["environment"].console
    assert not host.was_called()
    # Only because of how the drive starts QEMU: the same guest gets out of another machine.
    image = evil["environment"]
    loose = see(image, image.boot(), host.path(restricted=False))
    assert "cvm: home was reached" in loose.console
    assert host.was_called()


def test_a_guest_that_keeps_a_shell(
    evil: Mapping[str, LoggedImage], seen: Mapping[str, Seen]
) -> None:
    boot = seen["shell"]
    assert boot.verdict is not None
    assert boot.verdict.outcome is Outcome.VERIFIED
    assert BANNER in boot.console
    assert scanned(evil["shell"]) == {
        "scan.leftovers": "usr/bin/sh: a shell, console, agent or tool",
        "scan.programs": "usr/bin/sh: can be executed",
    }


# Passed off as the good image.


def test_a_guest_that_is_not_the_release_declines_to_serve(
    evil: Mapping[str, LoggedImage], seen: Mapping[str, Seen]
) -> None:
    ended = seen["shell as good"].ended
    assert ended.start is Start.DECLINED
    assert f"REFUSED own MEASUREMENT: {measured(evil['shell'])}" in ended.words


def test_a_guest_that_skips_its_own_check_serves_and_is_caught(
    evil: Mapping[str, LoggedImage], seen: Mapping[str, Seen]
) -> None:
    # Its code looks like any code: no scan can see it.
    assert scanned(evil["unchecked"]) == {}
    boot = seen["unchecked as good"]
    assert boot.ended.start is Start.READY
    assert boot.verdict is not None
    assert boot.verdict.outcome is Outcome.FAILED
    ((check, (_, got)),) = failures(boot.verdict).items()
    assert check == "release.measurement"
    assert measured(evil["unchecked"]) in got


def test_a_guest_that_serves_without_a_proof_is_told_from_one_that_declines(
    seen: Mapping[str, Seen],
) -> None:
    (probe,) = [each for each in PROBES if each.check == "drive.refuses_unproven"]
    around = Circumstances(hardware=False, steady=True)
    good, unchecked = seen["good, wrong proof"], seen["unchecked, wrong proof"]
    assert "REFUSED inclusion proof: root" in good.ended.words
    assert judge(probe, good.booted, around).status is Status.PASS
    finding = judge(probe, unchecked.booted, around)
    assert finding.status is Status.FAIL
    assert finding.expected == "a guest that declines to serve"
    assert finding.got.startswith("READY")
    # Nor does its client believe it.
    assert unchecked.verdict is not None
    assert unchecked.verdict.outcome is Outcome.FAILED
    assert "log.inclusion" in failures(unchecked.verdict)
