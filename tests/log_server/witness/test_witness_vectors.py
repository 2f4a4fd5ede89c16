"""The published request sequences, over HTTP, with the specification's status at every step."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import requests

from log_server.signer import Ed25519Cosigner
from log_server.witness.request import SIZE_MEDIA_TYPE
from tests.log_server.witness.witnesses import make_witness, serving_witness
from verifier.tlog.checkpoint import parse_checkpoint
from verifier.tlog.note import Algorithm, parse_note, parse_public_key, parse_vkey
from verifier.tlog.timestamped_signature import verify_timestamped_signature

# The litewitness of June 2025 against the specification of 2026.
LITEWITNESS_EXCEPTIONS = {
    1: (400, "the changed signature is base64 with stray bits, so no well-formed note"),
    2: (404, "an unknown log is 404 since tlog-witness v1.0.0"),
}


def _with_key(root: Path, name: str, seed: bytes) -> Ed25519Cosigner:
    cosigner = Ed25519Cosigner(name=name, seed=seed)
    (root / "witness.key").write_text(f"{cosigner.encode()}\n")
    return cosigner


def _body_of(request: bytes) -> bytes:
    return request.partition(b"\n\n")[2]


def test_the_sequence_of_the_specification(vectors: Path, tmp_path: Path) -> None:
    sequence = json.loads((vectors / "tlog" / "witness_add_checkpoint_sequence.json").read_bytes())
    make_witness(tmp_path / "w", parse_vkey(sequence["log_vkey"]))
    seed = bytes.fromhex(sequence["witness_seed_hex"])
    cosigner = _with_key(tmp_path / "w", sequence["witness_name"], seed)
    assert str(cosigner.key) == sequence["witness_cosig_vkey"]
    assert len(sequence["steps"]) == 24
    with serving_witness(tmp_path / "w") as url:
        for step in sequence["steps"]:
            request = base64.b64decode(step["request_b64"])
            answer = requests.post(f"{url}/add-checkpoint", data=request, timeout=10)
            assert answer.status_code == step["expect_status"], step["name"]
            if step["expect_body"] is not None:
                assert answer.text == step["expect_body"], step["name"]
                assert answer.headers["Content-Type"] == step["expect_content_type"]
            elif answer.status_code == 200:
                # Only the witness's own line, and it verifies over the text that was sent.
                note = parse_note(_body_of(request))
                tree = parse_checkpoint(note).tree
                (line,) = parse_note(f"{note.text}\n{answer.text}".encode()).signatures
                assert verify_timestamped_signature(
                    line,
                    key=cosigner.key,
                    text=note.text,
                    origin=sequence["log_origin"],
                    tree=tree,
                )
            else:
                assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_sequence_of_litewitness(vectors: Path, tmp_path: Path) -> None:
    formats = json.loads((vectors / "tlog" / "vectors_text_formats.json").read_bytes())
    sequence = formats["litewitness_sequence"]
    key = parse_public_key(
        name=sequence["log_origin"],
        algorithm=Algorithm.ED25519,
        public_key=bytes.fromhex(sequence["log_pubkey_hex"]),
    )
    make_witness(tmp_path / "w", key, name="example.com/witness")
    with serving_witness(tmp_path / "w") as url:
        for number, step in enumerate(sequence["steps"]):
            status, _ = LITEWITNESS_EXCEPTIONS.get(number, (step["status"], ""))
            request = step["request"].encode()
            answer = requests.post(f"{url}/add-checkpoint", data=request, timeout=10)
            assert answer.status_code == status, number
            if status == 409:
                assert (answer.text, answer.headers["Content-Type"]) == (
                    step["body"],
                    SIZE_MEDIA_TYPE,
                )
            elif status == 200:
                assert answer.text.startswith(step["body"])


@pytest.mark.parametrize("number", LITEWITNESS_EXCEPTIONS)
def test_an_exception_is_still_one(vectors: Path, number: int) -> None:
    formats = json.loads((vectors / "tlog" / "vectors_text_formats.json").read_bytes())
    step = formats["litewitness_sequence"]["steps"][number]
    assert step["status"] != LITEWITNESS_EXCEPTIONS[number][0]
