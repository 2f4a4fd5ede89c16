"""The node as a program: what it says, what it refuses, and that it then serves nobody."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import making
from tests.pipeline.node.guests import (
    ENTRY,
    LOG,
    PROOF,
    Client,
    Program,
    framed,
    guest_policy,
    honest,
    listening,
    processor_socket,
    program,
    report,
)
from tests.running import ROOT
from verifier.evidence.snp_report import parse_report
from verifier.wire.attested_tls import EVIDENCE_PATH, NONCE_MEDIA_TYPE, parse_evidence

STRANGER = making.publisher("stranger.invalid/publisher", b"S" * 32)


def files(folder: Path, policy: bytes, entry: bytes = ENTRY, proof: bytes = PROOF) -> list[object]:
    arguments: list[object] = []
    for option, content in (("guest-policy", policy), ("entry", entry), ("proof", proof)):
        (folder / option).write_bytes(content)
        arguments += [f"--{option}", folder / option]
    return arguments


def refusal(started: Program) -> str:
    (line,) = started.lines("REFUSED")
    assert started.process.wait(timeout=20) == 1
    return line


def test_it_serves_and_gives_evidence(tmp_path: Path) -> None:
    with (
        processor_socket(tmp_path) as path,
        program(tmp_path, "--processor-socket", path, *files(tmp_path, guest_policy())) as started,
    ):
        address = started.address
        assert started.lines("READY") == [f"LISTENING 127.0.0.1:{address[1]}", "READY"]
        with Client(address) as client:
            answer = client.ask("POST", EVIDENCE_PATH, os.urandom(32), NONCE_MEDIA_TYPE)
            assert parse_evidence(answer.body).release_entry == ENTRY


def test_entry_and_proof_come_through_a_socket_as_in_a_guest(tmp_path: Path) -> None:
    def hand_over(peer: socket.socket) -> None:
        peer.sendall(framed(ENTRY, PROOF))

    (tmp_path / "policy").write_bytes(guest_policy())
    with (
        processor_socket(tmp_path) as path,
        listening(tmp_path / "release.sock", hand_over) as release,
        program(
            tmp_path,
            *("--processor-socket", path, "--release-socket", release),
            *("--guest-policy", tmp_path / "policy"),
        ) as started,
    ):
        assert started.lines("READY")[-1] == "READY"


@pytest.mark.parametrize(
    ("changes", "handed", "line"),
    [
        (
            {"publishers": [str(STRANGER.key.vkey)]},
            {},
            r"REFUSED publisher signatures: 0; the envelope names fixtures.invalid/publisher",
        ),
        ({}, {"proof": LOG.proof(2)}, "REFUSED inclusion proof: root "),
        ({}, {"entry": making.entry(making.statement(b"\x77" * 48))}, "REFUSED inclusion proof: "),
        ({"role": "translator"}, {}, "REFUSED role of the release: summariser (expected transl"),
        ({"schema": "x"}, {}, "REFUSED guest policy.schema: 'x' (expected cvm-audit/guest-policy"),
        ({}, {"proof": b"x"}, "REFUSED proof: none (expected a blank line before the checkpoint)"),
    ],
)
def test_it_refuses_what_its_policy_does_not_want(
    tmp_path: Path, changes: dict[str, Any], handed: dict[str, bytes], line: str
) -> None:
    arguments = files(tmp_path, guest_policy(**changes), **handed)
    with (
        processor_socket(tmp_path) as path,
        program(tmp_path, "--processor-socket", path, *arguments) as started,
    ):
        assert refusal(started).startswith(line)


def test_it_refuses_a_release_of_another_machine(tmp_path: Path) -> None:
    def elsewhere(question: bytes) -> bytes:
        return framed(report(question, b"\x99" * 48), b"")

    with (
        processor_socket(tmp_path, elsewhere) as path,
        program(tmp_path, "--processor-socket", path, *files(tmp_path, guest_policy())) as started,
    ):
        line = refusal(started)
        assert line.startswith(f"REFUSED own MEASUREMENT: {'99' * 48} (expected one of the 1 ")


def test_it_refuses_without_a_processor_or_release(tmp_path: Path) -> None:
    arguments = files(tmp_path, guest_policy())
    absent = tmp_path / "absent"
    with program(tmp_path, "--processor-socket", absent, *arguments) as started:
        assert refusal(started).startswith("REFUSED processor: No such file or directory")
    (tmp_path / "state").unlink()
    with (
        processor_socket(tmp_path) as path,
        program(tmp_path, "--processor-socket", path, *arguments[:4]) as started,
    ):
        line = "REFUSED release: neither (expected --release-socket, or --entry and --proof)"
        assert refusal(started) == line


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    arguments = files(tmp_path, guest_policy())
    with processor_socket(tmp_path) as path, socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pipeline.node", *map(str, arguments)),
                *("--processor-socket", str(path), "--listen", listen),
                *("--state-file", str(tmp_path / "state")),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("[Errno 98] Address already in use")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "state").read_text() == ""


@pytest.mark.parametrize("address", ["8443", ":8443", "127.0.0.1:x", "127.0.0.1:65536", "a:-1"])
def test_an_address_that_is_none_is_a_usage_error(address: str, tmp_path: Path) -> None:
    from pipeline.node.cli import main

    with pytest.raises(SystemExit) as stopped:
        main(
            [
                *("--processor-socket", "x", "--guest-policy", "x", "--state-file"),
                *(str(tmp_path / "state"), "--listen", address),
            ]
        )
    assert stopped.value.code == 2
    assert not (tmp_path / "state").exists()


def test_a_report_at_the_start_answers_a_random_question(tmp_path: Path) -> None:
    questions: list[bytes] = []

    def noted(question: bytes) -> bytes:
        questions.append(question)
        return honest(question)

    for _ in range(2):
        with (
            processor_socket(tmp_path, noted) as path,
            program(
                tmp_path, "--processor-socket", path, *files(tmp_path, guest_policy())
            ) as started,
        ):
            assert started.lines("READY")
        (tmp_path / "state").unlink()
    assert len(set(questions)) == len(questions) == 2
    assert all(parse_report(report(q)).report_data == q for q in questions)


def test_it_runs_with_nothing_but_what_the_image_holds() -> None:
    # click and what else the command lines need is not in the image.
    code = (
        "import sys; sys.modules['click'] = sys.modules['requests'] = None\n"
        "import pipeline.node.cli, pipeline.node.guest\n"
        "print(sorted(n for n in sys.modules if n.split('.')[0] in ('asyncio', 'ssl', 'click')"
        " and sys.modules[n]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
