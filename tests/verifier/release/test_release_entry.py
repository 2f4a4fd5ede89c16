from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import rfc8785

from tests.making import PUBLISHER, changed, entry, publisher, statement
from verifier.cli.publishing import sign_statement
from verifier.errors import AuditError, ParseError, UnsupportedError, VerificationError
from verifier.release.dsse import (
    MAX_ENVELOPE,
    EnvelopeSignature,
    encode_envelope,
    parse_envelope,
    pre_authentication_encoding,
)
from verifier.release.entry import open_release, parse_entry
from verifier.release.publisher import parse_publisher_key
from verifier.release.statement import PAYLOAD_TYPE

KEYS = (PUBLISHER.key,)
SCHEMA = json.loads(
    (Path(__file__).parents[3] / "schemas" / "cvm-release.v1.schema.json").read_text("utf-8")
)


def wrapped(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    signature = PUBLISHER.sign(pre_authentication_encoding(payload_type, payload))
    return encode_envelope(
        payload_type, payload, (EnvelopeSignature(PUBLISHER.key.keyid, signature),)
    )


def test_pre_authentication_encoding_is_that_of_the_specification() -> None:
    # The example of DSSE protocol.md.
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_lengths_count_bytes_not_characters() -> None:
    assert pre_authentication_encoding("é", b"") == "DSSEv1 2 é 0 ".encode()


def test_a_signed_release_opens() -> None:
    parsed = parse_entry(entry())
    opened = open_release(parsed, publishers=KEYS, threshold=1)
    assert opened.keys == KEYS
    assert opened.release.role == "summariser"
    assert opened.release.security_version == 3
    assert [artifact.sha256[0] for artifact in opened.release.artifacts] == [1, 2]
    assert opened.release.measurements[0].value == b"\x11" * 48
    assert opened.release.measurements[0].vcpu_signature == 0x800F12
    assert opened.release.expected_evidence.minimum_tcb[0].product == "Milan"


def test_an_entry_round_trips_through_its_envelope() -> None:
    raw = entry()
    envelope = parse_envelope(raw)
    again = encode_envelope(envelope.payload_type, envelope.payload, envelope.signatures)
    assert again == raw


def test_a_stranger_signed() -> None:
    raw = entry(by=publisher("fixtures.invalid/stranger", b"S" * 32))
    with pytest.raises(VerificationError) as caught:
        open_release(parse_entry(raw), publishers=KEYS, threshold=1)
    assert caught.value.expected == f"1 by {PUBLISHER.key.keyid}"
    assert "fixtures.invalid/stranger+" in caught.value.got


def test_a_stranger_with_the_name_of_a_publisher() -> None:
    raw = entry(by=publisher(seed=b"S" * 32))
    with pytest.raises(VerificationError) as caught:
        open_release(parse_entry(raw), publishers=KEYS, threshold=1)
    assert caught.value.got.startswith("0; the envelope names fixtures.invalid/publisher+")


def test_a_bad_signature_of_a_known_key_refuses_even_beside_a_good_one() -> None:
    other = publisher("fixtures.invalid/other", b"O" * 32)
    envelope = parse_envelope(entry())
    bad = EnvelopeSignature(other.key.keyid, b"\0" * 64)
    raw = encode_envelope(envelope.payload_type, envelope.payload, (*envelope.signatures, bad))
    opened = open_release(parse_entry(raw), publishers=KEYS, threshold=1)
    assert opened.keys == KEYS  # unknown here, so ignored
    with pytest.raises(VerificationError, match=r"fixtures\.invalid/other"):
        open_release(parse_entry(raw), publishers=(*KEYS, other.key), threshold=1)


def test_one_key_signing_twice_is_one_signature() -> None:
    envelope = parse_envelope(entry())
    raw = encode_envelope(envelope.payload_type, envelope.payload, envelope.signatures * 2)
    other = publisher("fixtures.invalid/other", b"O" * 32)
    with pytest.raises(VerificationError) as caught:
        open_release(parse_entry(raw), publishers=(*KEYS, other.key), threshold=2)
    assert caught.value.got.startswith("1; ")


def test_two_publishers_meet_a_threshold_of_two() -> None:
    other = publisher("fixtures.invalid/other", b"O" * 32)
    envelope = parse_envelope(entry())
    message = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    second = EnvelopeSignature(other.key.keyid, other.sign(message))
    raw = encode_envelope(envelope.payload_type, envelope.payload, (*envelope.signatures, second))
    opened = open_release(parse_entry(raw), publishers=(*KEYS, other.key), threshold=2)
    assert len(opened.keys) == 2


def test_a_threshold_of_zero_is_a_wrong_caller() -> None:
    with pytest.raises(ValueError, match="below one"):
        open_release(parse_entry(entry()), publishers=KEYS, threshold=0)


def test_another_payload_under_the_same_signature() -> None:
    envelope = parse_envelope(entry())
    payload = envelope.payload.replace(b'"summariser"', b'"guardian-x"')
    raw = encode_envelope(envelope.payload_type, payload, envelope.signatures)
    with pytest.raises(VerificationError, match=r"signature of fixtures\.invalid/publisher"):
        open_release(parse_entry(raw), publishers=KEYS, threshold=1)


def test_a_key_for_cosignatures_is_named_as_unsupported() -> None:
    from verifier.tlog.note import Algorithm, parse_public_key

    vkey = parse_public_key(
        name="a.invalid/k",
        algorithm=Algorithm.COSIGNATURE_ED25519,
        public_key=PUBLISHER.key.vkey.public_key,
    )
    with pytest.raises(UnsupportedError) as caught:
        parse_publisher_key(str(vkey))
    assert caught.value.expected == "Ed25519 (type 01) or ECDSA P-256 (type 02)"
    assert caught.value.got == "type 04"


ENVELOPE_FAULTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "not JSON": (lambda raw: raw[:-1], "JSON"),
    "trailing newline": (lambda raw: raw + b"\n", "RFC 8785 canonical JSON"),
    "other member order": (
        lambda raw: json.dumps(dict(reversed(json.loads(raw).items()))).encode(),
        "RFC 8785 canonical JSON",
    ),
    "unknown member": (lambda raw: changed_json(raw, "extra", 1), "no unknown member"),
    "no payload": (lambda raw: changed_json(raw, "payload", ...), "the member"),
    "payload not base64": (lambda raw: changed_json(raw, "payload", "e30"), "canonical base64"),
    "url-safe base64": (lambda raw: changed_json(raw, "payload", "__8="), "canonical base64"),
    "no signature": (lambda raw: changed_json(raw, "signatures", []), "1 to 1024 members"),
    "signature without keyid": (
        lambda raw: changed_json(raw, "signatures/0/keyid", ...),
        "the member",
    ),
    "signature with certificate": (
        lambda raw: changed_json(raw, "signatures/0/cert", "x"),
        "no unknown member",
    ),
    "other payload type": (
        lambda raw: changed_json(raw, "payloadType", "text/plain"),
        PAYLOAD_TYPE,
    ),
    "too many signatures": (
        lambda raw: changed_json(raw, "signatures", json.loads(raw)["signatures"] * 17),
        "at most 16",
    ),
}


def changed_json(raw: bytes, path: str, value: object) -> bytes:
    return rfc8785.dumps(changed(json.loads(raw), path, value))


@pytest.mark.parametrize("name", ENVELOPE_FAULTS)
def test_a_faulty_envelope_is_refused(name: str) -> None:
    make, expected = ENVELOPE_FAULTS[name]
    with pytest.raises(ParseError) as caught:
        parse_entry(make(entry()))
    assert caught.value.expected == expected


def test_an_oversized_envelope_is_refused_before_it_is_read() -> None:
    with pytest.raises(ParseError) as caught:
        parse_envelope(b"{" * (MAX_ENVELOPE + 1))
    assert (caught.value.expected, caught.value.got) == ("at most 65535 bytes", "65536")


def test_a_statement_that_is_not_canonical_is_refused() -> None:
    with pytest.raises(ParseError) as caught:
        parse_entry(wrapped(json.dumps(statement(), indent=1).encode()))
    assert caught.value.what == "statement"


def test_an_unknown_kind_fails_closed() -> None:
    document = changed(statement(), "predicateType", "urn:cvm-audit:cvm-release:v2")
    with pytest.raises(UnsupportedError) as caught:
        parse_entry(wrapped(rfc8785.dumps(document)))
    assert caught.value.got == "urn:cvm-audit:cvm-release:v2"


P = "predicate/"
ROW = P + "measurements/0/"
STATEMENT_FAULTS: dict[str, tuple[str, object, str]] = {
    "other statement type": ("_type", "https://in-toto.io/Statement/v0.1", "statement._type"),
    "no subject": ("subject", [], "statement.subject"),
    "subject without digest": ("subject/0/digest", {}, "statement.subject[0].digest.sha256"),
    "subject with a short digest": ("subject/0/digest/sha256", "00", ".digest.sha256"),
    "subject with an upper-case digest": ("subject/0/digest/sha256", "AA" * 32, ".digest.sha256"),
    "subject with a second algorithm": ("subject/0/digest/md5", "00" * 16, ".digest"),
    "subject named twice": ("subject/1/name", "firmware/ovmf.fd", "statement.subject"),
    "subject with a newline": ("subject/0/name", "a\nb", ".name"),
    "artifact without subject": (P + "artifacts/0/name", "other", ".artifacts[0].name"),
    "subject without artifact": (
        P + "artifacts",
        [{"name": "kernel/bzimage", "role": "kernel", "size": 1, "locations": []}],
        "statement.subject",
    ),
    "artifact of unknown role": (P + "artifacts/0/role", "magic", ".role"),
    "artifact of negative size": (P + "artifacts/0/size", -1, ".size"),
    "role with a blank": (P + "role", "the guard", "predicate.role"),
    "missing role": (P + "role", ..., "predicate.role"),
    "unknown member": (P + "debug", True, "statement.predicate"),
    "security version as text": (P + "securityVersion", "3", "securityVersion"),
    "security version as boolean": (P + "securityVersion", True, "securityVersion"),
    "no measurement": (P + "measurements", [], "measurements"),
    "measurement of 32 bytes": (ROW + "value", "00" * 32, ".value"),
    "measurement of unknown platform": (ROW + "platform", "tdx", ".platform"),
    "vCPU count of zero": (ROW + "vcpus", 0, ".vcpus"),
    "signature as number": (ROW + "vcpuSignature", 8, ".vcpuSignature"),
    "signature in bare hex": (ROW + "vcpuSignature", "800f12", ".vcpuSignature"),
    "a GPU is promised": (P + "expectedEvidence/gpus", ["h100"], ".gpus"),
    "unknown TEE": (P + "expectedEvidence/tees", ["sgx"], ".tees"),
    "VMPL 4": (P + "expectedEvidence/vmpls", [4], ".vmpls"),
    "unknown product": (P + "expectedEvidence/minimumTcb", {"Rome": {}}, ".minimumTcb.Rome"),
    "floor without microcode": (
        P + "expectedEvidence/minimumTcb/Milan/microcode",
        ...,
        ".microcode",
    ),
    "FMC on Milan": (P + "expectedEvidence/minimumTcb/Milan/fmc", 1, ".minimumTcb.Milan"),
    "level 256": (P + "expectedEvidence/minimumTcb/Milan/snp", 256, ".snp"),
    "not-after with an offset": (P + "notAfter", "2027-01-01T00:00:00+01:00", "notAfter"),
    "not-after on day 32": (P + "notAfter", "2027-01-32T00:00:00Z", "notAfter"),
    "build without lock": (P + "build/lockSha256", ..., "lockSha256"),
}


@pytest.mark.parametrize("name", STATEMENT_FAULTS)
def test_a_faulty_statement_is_refused(name: str) -> None:
    path, value, what = STATEMENT_FAULTS[name]
    document = changed(statement(), path, value)
    with pytest.raises(ParseError) as caught:
        parse_entry(wrapped(rfc8785.dumps(document)))
    assert what in caught.value.what
    assert caught.value.expected
    assert caught.value.got


def test_two_rows_for_one_launch_configuration_are_refused() -> None:
    rows = statement()["predicate"]["measurements"] * 2
    with pytest.raises(ParseError) as caught:
        parse_entry(wrapped(rfc8785.dumps(statement(measurements=rows))))
    assert caught.value.expected == "one row for each launch configuration"


def test_a_release_too_large_for_the_log_is_not_signed() -> None:
    many = [
        {"platform": "sev-snp", "vmm": "qemu", "vcpus": n, "vcpuSignature": "0x1",
         "guestFeatures": "0x1", "value": "00" * 48}
        for n in range(1, 600)
    ]  # fmt: skip
    with pytest.raises(ParseError, match="at most 65535 bytes"):
        sign_statement(json.dumps(statement(measurements=many)).encode(), PUBLISHER)


def test_a_malformed_release_is_not_signed() -> None:
    with pytest.raises(AuditError):
        sign_statement(json.dumps(statement(role="no good")).encode(), PUBLISHER)


def test_duplicate_json_keys_are_refused() -> None:
    payload = b'{"_type":"a","_type":"b"}'
    raw = wrapped(payload)
    assert base64.b64encode(payload).decode() in raw.decode()
    with pytest.raises(ParseError, match="twice"):
        parse_entry(raw)


def test_the_schema_agrees_with_the_parser() -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    assert list(validator.iter_errors(statement())) == []
    between_members = {
        "subject named twice",
        "artifact without subject",
        "subject without artifact",
        "not-after on day 32",
    }
    for name, (path, value, _) in STATEMENT_FAULTS.items():
        refused = not validator.is_valid(changed(statement(), path, value))
        assert refused is (name not in between_members), name
