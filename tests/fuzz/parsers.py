"""Every parser of the judge, found by its name, and well-formed inputs to begin with.

A new ``parse_`` function that takes bytes or text is fuzzed without being listed here.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

import verifier
from pipeline.platform.simulated_vendor import root_document
from tests.id_block import encode_id_authentication, encode_id_block, owner_key
from tests.judgements import ALL
from tests.making import Log, policy, statement
from tests.ovmf_image import build_ovmf, build_svsm
from tests.properties.mutation_cases import WITNESSES, cases
from tests.synthetic_amd import simulated_amd
from tests.synthetic_sigstore import Forge, certificate, encoded, key, spki, trusted_root
from tests.synthetic_sigstore import bundle as sigstore_bundle
from tests.verifier.evidence.test_azure_evidence import FIRST as AZURE_FIRST
from tests.verifier.evidence.test_azure_evidence import SECOND as AZURE_SECOND
from tests.verifier.measurement.launches import direct_boot
from tests.verifier.tlog.signing import witness
from tests.verifier.wire import path_messages
from verifier.appraisal.builtin_policies import BUILT_IN
from verifier.errors import AuditError
from verifier.evidence.bundle import MANIFEST
from verifier.evidence.bundle_tar import encode_bundle_tar
from verifier.evidence.drive_record import (
    Accelerator,
    DriveRecord,
    Level,
    RecordedCheck,
    encode_drive_record,
)
from verifier.measurement.sev_snp import encode_launch_inputs
from verifier.report.json import render_json
from verifier.tlog.proof import parse_tlog_proof

# What keyword-only arguments without default are given.
_ARGUMENTS: dict[str, Any] = {
    "what": "fuzzed",
    "width": 3,
    "padded": True,
    "size": 32,
    "offset": 0,
    "logged": (),
}


_DEPLOYMENT = {
    "authority": "gateway.invalid",
    "issuer": "http://127.0.0.1:1",
    "issuerName": "issuer.gateway.invalid",
    "keyCdn": "http://127.0.0.1:2",
    "relay": "http://127.0.0.1:3",
    "schema": "cvm-audit/deployment/v1",
}
_DRIVE = DriveRecord(
    level=Level.PROCESS,
    accelerator=Accelerator.BWRAP,
    qemu="",
    release=bytes(32),
    report=None,
    checks=(RecordedCheck("drive.boot", "pass", "a guest that serves", "READY"),),
)


@dataclass(frozen=True)
class Parser:
    """One parser: takes any bytes, and either returns or raises AuditError."""

    name: str
    function: Callable[..., object]
    takes_text: bool
    arguments: dict[str, Any]

    def __call__(self, data: bytes) -> bool:
        """Whether ``data`` is well formed. Whatever is no AuditError passes through."""
        given: bytes | str = data
        if self.takes_text:
            given = data.decode("utf-8", "surrogateescape")
        try:
            self.function(given, **self.arguments)
        except AuditError:
            return False
        return True


@functools.cache
def parsers() -> dict[str, Parser]:
    """Every ``parse_`` function of ``verifier`` that takes bytes or text, by its full name."""
    found: dict[str, Parser] = {}
    for module_name in sorted(_modules()):
        module = importlib.import_module(module_name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("parse_") and function.__module__ == module_name:
                parser = _parser(f"{module_name}.{name}", function)
                if parser is not None:
                    found[parser.name] = parser
    return found


def _modules() -> list[str]:
    walked = pkgutil.walk_packages(verifier.__path__, "verifier.")
    return [each.name for each in walked if not each.name.endswith("__main__")]


def _parser(name: str, function: Callable[..., object]) -> Parser | None:
    first, *rest = inspect.signature(function).parameters.values()
    takes = {"bytes": False, "str": True}.get(str(first.annotation))
    if takes is None or first.kind is first.KEYWORD_ONLY:
        return None  # takes what another parser made, and is reached through that
    needed = [each.name for each in rest if each.default is each.empty]
    return Parser(name, function, takes, {name: _ARGUMENTS[name] for name in needed})


@functools.cache
def seeds() -> tuple[bytes, ...]:
    """One well-formed input of every kind that the tests can make, and some short texts."""
    whole, *others = cases()
    files = whole.files
    block = encode_id_block(bytes(48))
    proof = parse_tlog_proof(whole.contents["release-proof"])
    made = [
        *whole.contents.values(),
        *(content for case in others for content in case.contents.values()),
        files[MANIFEST],
        encode_bundle_tar(files),
        proof.checkpoint_raw,
        policy(),
        *(text.encode() for text in BUILT_IN.values()),
        root_document(simulated_amd().vendor),
        *(render_json(judgement).encode() for judgement in ALL),
        build_ovmf(),
        build_svsm(),
        block,
        encode_id_authentication(block, id_key=owner_key("a"), author_key=owner_key("b")),
        f"log {Log(()).key}\nwitness w {witness(WITNESSES[0]).key}\nquorum w\n".encode(),
        str(Log(()).key).encode(),
        bytes(96),
        encode_launch_inputs(direct_boot()),
        json.dumps(statement()).encode(),
        *(json.dumps(document).encode() for document in (AZURE_FIRST, AZURE_SECOND)),
        encoded(sigstore_bundle(b"a statement")),
        encoded(trusted_root()),
        certificate(Forge()).public_bytes(Encoding.DER),
        spki(key("publisher")),
        b"\0\3abc" * 3,
        *path_messages.seeds(),
        b"tile/0/x001/067.p/3",
        b"tile/entries/x001/067",
        b"2026-11-21T12:00:00Z",
        b"0x1f",
        b"12345",
        b"ab" * 32,
        b"q" * 43 + b"=",
        b"0000644\0",
        b'{"a": [1, {"b": null}]}',
        b'{"turn": "Who?", "messages": [{"from": "Ana", "text": "Me."}]}',
        b'{"reply": "Ana: Me."}',
        b"https://relay.invalid:8443",
        b"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)",
        b'{"keyId": 1, "secret": "' + b"5a" * 32 + b'"}',
        json.dumps(_DEPLOYMENT).encode(),
        encode_drive_record(_DRIVE),
        bytes([53, 0, 0, 0, 0, 0, 0, 0])
        + b'{"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}ab',
        b"",
    ]
    return tuple(dict.fromkeys(made))


def corpus(parser: Parser) -> tuple[bytes, ...]:
    """The seeds that the parser accepts, or all of them if it accepts none."""
    accepted = tuple(seed for seed in seeds() if parser(seed))
    return accepted or seeds()
