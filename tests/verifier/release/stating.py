"""Good statements of every kind but cvm-release, signed by whoever the test says."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import rfc8785

from tests.making import PUBLISHER, publisher
from verifier.cli.publishing import Publisher, sign_statement
from verifier.release.dsse import EnvelopeSignature, encode_envelope, pre_authentication_encoding
from verifier.release.statement import PAYLOAD_TYPE
from verifier.release.subject import host_digest, named_digest

ORIGIN = "log.test/one"
ADMINS = tuple(publisher(f"admin.invalid/{name}", name.encode() * 32) for name in "abc")
SUBMITTERS = tuple(publisher(f"submitter.invalid/{name}", name.encode() * 32) for name in "xyz")

OHTTP_KEY = b"\x07" + b"\x11" * 40
TOKEN_KEY = b"\x30" * 294
HOST = host_digest(product="Milan", hw_id=b"\x01" * 64)


def stated(kind: str, subjects: dict[str, bytes], predicate: dict[str, Any]) -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": name, "digest": {"sha256": digest.hex()}} for name, digest in subjects.items()
        ],
        "predicateType": f"urn:cvm-audit:{kind}:v1",
        "predicate": predicate,
    }


def key_configuration(**predicate: Any) -> dict[str, Any]:
    keys = [
        {
            "name": "gateway/7",
            "use": "ohttp",
            "keyId": "07",
            "algorithms": ["DHKEM(X25519, HKDF-SHA256)", "HKDF-SHA256", "AES-128-GCM"],
            "encoded": OHTTP_KEY.hex(),
        },
        {
            "name": "issuer",
            "use": "token",
            "keyId": sha256(TOKEN_KEY).hexdigest(),
            "algorithms": ["Blind RSA (2048-bit)"],
            "encoded": TOKEN_KEY.hex(),
        },
    ]
    subjects = {"gateway/7": sha256(OHTTP_KEY).digest(), "issuer": sha256(TOKEN_KEY).digest()}
    whole = {
        "role": "gateway",
        "keys": keys,
        "notBefore": "2026-11-21T00:00:00Z",
        "notAfter": "2026-12-21T00:00:00Z",
    }
    return stated("key-configuration", subjects, whole | predicate)


def host_identity(**predicate: Any) -> dict[str, Any]:
    whole = {
        "operator": "example.invalid/cloud",
        "hosts": [
            {"name": "rack-1/1", "product": "Milan"},
            {"name": "rack-1/2", "product": "Turin"},
        ],
        "notBefore": "2026-11-21T00:00:00Z",
        "notAfter": "2027-11-21T00:00:00Z",
    }
    subjects = {"rack-1/1": HOST, "rack-1/2": host_digest(product="Turin", hw_id=b"\x02" * 8)}
    return stated("host-identity", subjects, whole | predicate)


def revocation(**predicate: Any) -> dict[str, Any]:
    key = str(PUBLISHER.key.vkey)
    whole = {
        "withdrawn": [
            {"name": "release", "sort": "entry"},
            {"name": "rack-1/1", "sort": "host"},
            {"name": "old-key", "sort": "signing-key", "key": key},
        ],
        "reason": "vulnerable",
        "text": "the parser of version 1.0.0 reads beyond its buffer",
        "since": "2026-11-20T00:00:00Z",
    }
    subjects = {
        "release": b"\x05" * 32,
        "rack-1/1": HOST,
        "old-key": sha256(key.encode()).digest(),
    }
    return stated("revocation", subjects, whole | predicate)


def tcb_floor(**predicate: Any) -> dict[str, Any]:
    whole = {
        "floors": {
            "Milan": {"bootloader": 4, "tee": 0, "snp": 24, "microcode": 219},
            "Turin": {"fmc": 1, "bootloader": 1, "tee": 1, "snp": 4, "microcode": 75},
        },
        "source": "AMD-SB-3020",
        "sourceDate": "2026-10-14T00:00:00Z",
        "since": "2026-12-01T00:00:00Z",
    }
    subjects = {name: named_digest("processor", name) for name in ("Milan", "Turin")}
    return stated("tcb-floor", subjects, whole | predicate)


RULE = {"threshold": 1, "maximumSize": 65535}
DATED = RULE | {"latestNotAfter": "2028-01-01T00:00:00Z"}


def log_policy(**predicate: Any) -> dict[str, Any]:
    x, y, z = (str(submitter.key.vkey) for submitter in SUBMITTERS)
    whole: dict[str, Any] = {
        "origin": ORIGIN,
        "sequence": 1,
        "administrators": {"keys": [str(admin.key.vkey) for admin in ADMINS], "threshold": 2},
        "kinds": {
            "announcement/v1": RULE,
            "cvm-release/v1": DATED | {"threshold": 2},
            "rebuild/v1": RULE | {"maximumSize": 2000},
        },
        "submitters": [
            {
                "key": x,
                "kinds": ["announcement/v1", "cvm-release/v1"],
                "releases": [{"role": "summariser", "product": "reference-cvm"}],
            },
            {
                "key": y,
                "kinds": ["cvm-release/v1"],
                "releases": [
                    {"role": "summariser", "product": "reference-cvm"},
                    {"role": "gateway", "product": "reference-cvm"},
                ],
            },
            {"key": z, "kinds": ["rebuild/v1"]},
        ],
    }
    whole |= predicate
    return stated("log-policy", {"log": named_digest("log", str(whole["origin"]))}, whole)


def rebuild(**predicate: Any) -> dict[str, Any]:
    row = {
        "platform": "sev-snp",
        "vmm": "qemu",
        "vcpus": 2,
        "vcpuSignature": "0x800f12",
        "guestFeatures": "0x1",
        "value": "11" * 48,
    }
    whole = {
        "rebuilder": "rebuilder.invalid/one",
        "outcome": "differs",
        "firstDifference": "initrd: member 12 of 40, usr/bin/x: byte 17",
        "measurements": [row],
        "finished": "2026-11-21T00:00:00Z",
    }
    return stated("rebuild", {"entry": b"\x05" * 32}, whole | predicate)


def reproduced(**predicate: Any) -> dict[str, Any]:
    document = rebuild(outcome="reproduced", **predicate)
    del document["predicate"]["firstDifference"]
    return document


def announcement(**predicate: Any) -> dict[str, Any]:
    whole = {
        "change": "cvm-release/v1",
        "role": "summariser",
        "product": "reference-cvm",
        "notBefore": "2026-12-01T00:00:00Z",
        "text": "version 2.0.0 with another kernel",
    }
    subjects = {
        "role": named_digest("role", "summariser"),
        "product": named_digest("product", "reference-cvm"),
    }
    return stated("announcement", subjects, whole | predicate)


GOOD = {
    "announcement": announcement(),
    "host-identity": host_identity(),
    "key-configuration": key_configuration(),
    "log-policy": log_policy(),
    "rebuild": rebuild(),
    "revocation": revocation(),
    "tcb-floor": tcb_floor(),
}


def good(kind: str) -> dict[str, Any]:
    return copy.deepcopy(GOOD[kind])


def signed(document: dict[str, Any], by: Sequence[Publisher] = (PUBLISHER,)) -> bytes:
    """An entry that all of ``by`` signed; refused by the signer unless it is well formed."""
    sign_statement(json.dumps(document).encode(), by[0])
    return wrapped(rfc8785.dumps(document), by)


def wrapped(payload: bytes, by: Sequence[Publisher] = (PUBLISHER,)) -> bytes:
    """An envelope that all of ``by`` signed, whatever is in it."""
    message = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    signatures = tuple(EnvelopeSignature(one.key.keyid, one.sign(message)) for one in by)
    return encode_envelope(PAYLOAD_TYPE, payload, signatures)
