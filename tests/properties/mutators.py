"""Random mutations of accepted bundles: bytes, fields, swaps, proofs, entries, manifests.

The attacker also writes ``bundle.json``, so it is made anew around what changed, unless it is
itself what changes.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any

import rfc8785

from tests.making import bundle
from tests.properties.mutation_cases import Case, forged, signed_anew
from verifier.errors import AuditError
from verifier.evidence.bundle import MANIFEST, open_bundle, parse_bundle
from verifier.evidence.bundle_tar import encode_bundle_tar, parse_bundle_tar
from verifier.evidence.hcl import parse_hcl
from verifier.tlog.note import parse_note
from verifier.tlog.proof import parse_tlog_proof

Found = dict[str, bytes] | bytes
Mutator = Callable[[random.Random, Case], Found]

# Offset and size of fields of which the policies of the cases accept one value only.
_PINNED = {
    "VERSION": (0x00, 4),
    "FAMILY_ID": (0x10, 16),
    "IMAGE_ID": (0x20, 16),
    "VMPL": (0x30, 4),
    "SIGNATURE_ALGO": (0x34, 4),
    "CURRENT_TCB": (0x38, 8),
    "PLATFORM_INFO": (0x40, 8),
    "KEY_INFO": (0x48, 4),
    "REPORT_DATA": (0x50, 64),
    "MEASUREMENT": (0x90, 48),
    "HOST_DATA": (0xC0, 32),
    "ID_KEY_DIGEST": (0xE0, 48),
    "AUTHOR_KEY_DIGEST": (0x110, 48),
    "REPORT_ID_MA": (0x160, 32),
    "REPORTED_TCB": (0x180, 8),
    "CPUID_FAM_ID": (0x188, 1),
    "CHIP_ID": (0x1A0, 64),
    "COMMITTED_TCB": (0x1E0, 8),
    "CURRENT_FIRMWARE": (0x1E8, 3),
    "COMMITTED_FIRMWARE": (0x1EC, 3),
}
# Fields with a floor, of which only less is worse: the microcode of LAUNCH_TCB, GUEST_SVN, and
# the two mitigation bits that the policy asks for.
_FLOORS = {"LAUNCH_TCB": 0x1F7, "GUEST_SVN": 0x04, "LAUNCH_MIT": 0x1F8, "CURRENT_MIT": 0x200}
_PERMISSIONS = (16, 18, 19, 21, *range(26, 64))  # of POLICY: each weakens, or is unknown
_MANIFEST_STRINGS = ("role", "path", "mediaType", "sha256")
_SIGNATURE = 0x2A0


def mutate_bytes(rng: random.Random, case: Case) -> Found:
    """Flip, overwrite, insert, delete, repeat or cut bytes of one member."""
    role = rng.choice(list(case.contents))
    return bundle(case.contents | {role: edited(rng, case.contents[role])})


def mutate_bundle_bytes(rng: random.Random, case: Case) -> Found:
    """The same to ``bundle.json``, or to a whole tar."""
    files = case.files
    if rng.random() < 0.5:
        return edited(rng, encode_bundle_tar(files))
    return files | {MANIFEST: edited(rng, files[MANIFEST])}


def mutate_report_field(rng: random.Random, case: Case) -> Found:
    """Change one judged field of the report; nobody, a stranger or the genuine chip signs it."""
    if "snp-report" not in case.contents:
        return mutate_swap(rng, case)
    raw = case.contents["snp-report"]
    offset, patch = _field(rng, raw)
    signed = rng.choice((signed_anew, forged, None))
    changed = (
        raw[:offset] + patch + raw[offset + len(patch) :]
        if signed is None
        else signed(case, offset, patch)
    )
    return bundle(case.contents | {"snp-report": changed})


def mutate_swap(rng: random.Random, case: Case) -> Found:
    """Put one to three foreign things in the places of the genuine ones."""
    roles = rng.sample(list(case.others), k=min(rng.choice((1, 1, 1, 2, 3)), len(case.others)))
    return bundle(case.contents | {role: rng.choice(case.others[role]) for role in roles})


def mutate_roles(rng: random.Random, case: Case) -> Found:
    """Leave a member out, or let one stand in for another."""
    role, other = rng.sample(list(case.contents), k=2)
    contents = dict(case.contents)
    if rng.random() < 0.3:
        del contents[role]
    else:
        contents[role] = contents[other]
        if rng.random() < 0.5:
            contents[other] = case.contents[role]
    return bundle(contents)


def mutate_proof(rng: random.Random, case: Case) -> Found:
    """Edit a proof by its lines: index, hashes, checkpoint, signatures, cosignatures."""
    roles = [role for role in case.contents if role.endswith("-proof")]
    if not roles:
        return mutate_bytes(rng, case)
    role = rng.choice(roles)
    lines = case.contents[role].split(b"\n")
    place = rng.randrange(len(lines))
    kind = rng.randrange(6)
    if kind == 0:
        lines[1] = b"index %d" % rng.choice((rng.randrange(16), rng.randrange(2**64)))
    elif kind == 1:
        del lines[place]
    elif kind == 2:
        lines.insert(place, rng.choice(lines))
    elif kind == 3:
        other = rng.randrange(len(lines))
        lines[place], lines[other] = lines[other], lines[place]
    elif kind == 4:
        lines[place] = edited(rng, lines[place] or b"\0")
    else:
        lines[place] = _base64_edited(rng, lines[place])
    return bundle(case.contents | {role: b"\n".join(lines)})


def mutate_entry(rng: random.Random, case: Case) -> Found:
    """Edit the statement or the signatures of an entry, in canonical form."""
    roles = [role for role in case.contents if role.endswith("-entry")]
    if not roles:
        return mutate_report_field(rng, case)
    role = rng.choice(roles)
    envelope = json.loads(case.contents[role])
    if rng.random() < 0.7:
        statement = json.loads(base64.b64decode(envelope["payload"]))
        _edit_json(rng, statement)
        envelope["payload"] = base64.b64encode(rfc8785.dumps(statement)).decode()
    else:
        _edit_json(rng, envelope)
    return bundle(case.contents | {role: rfc8785.dumps(envelope)})


def mutate_manifest(rng: random.Random, case: Case) -> Found:
    """Edit ``bundle.json`` and leave the files, or edit a file and leave ``bundle.json``."""
    files = case.files
    if rng.random() < 0.3:
        path = rng.choice([path for path in files if path != MANIFEST])
        return files | {path: edited(rng, files[path])}
    document = json.loads(files[MANIFEST])
    member = rng.choice(document["members"])
    kind = rng.randrange(4)
    if kind == 0:
        other = rng.choice(document["members"])
        name = rng.choice(_MANIFEST_STRINGS)
        member[name], other[name] = other[name], member[name]
    elif kind == 1:
        document["members"].remove(member)
    elif kind == 2:
        document["members"].append(dict(member))
    else:
        _edit_json(rng, document)
    return files | {MANIFEST: json.dumps(document).encode()}


MUTATORS: tuple[Mutator, ...] = (
    mutate_bytes,
    mutate_bundle_bytes,
    mutate_report_field,
    mutate_swap,
    mutate_roles,
    mutate_proof,
    mutate_entry,
    mutate_manifest,
)


def claim(found: Found) -> dict[str, Any]:
    """What a bundle says, without what changes nothing that is judged.

    Left out, and nothing else: when it was captured, by which paths it names its members and in
    which order; the sign of an ECDSA signature's s (s and n - s verify alike); how often a CA
    certificate is offered; signatures of strangers on a checkpoint, and the order of signatures;
    the ``extra`` of a proof, which says nothing of the log; how many zeros end Azure's container,
    and its version. Raises AuditError for what no verdict could be VERIFIED of.
    """
    files = parse_bundle_tar(found) if isinstance(found, bytes) else found
    intact = open_bundle(parse_bundle(files))
    said: dict[str, Any] = {}
    for member in intact.members:
        content, role = intact.contents[member.path], member.role
        if role == "snp-ca":
            said.setdefault(role, set()).add(content)
        elif role.endswith("-proof"):
            proof = parse_tlog_proof(content)
            text = parse_note(proof.checkpoint_raw).text
            said[role] = (proof.index, proof.hashes, text)
        elif role == "snp-report":
            said[role] = _report(content)
        elif role == "snp-hcl":
            container = parse_hcl(content)
            said[role] = (_report(container.report), container.claims_raw)
        else:
            said[role] = content
    return said


def is_harmless(found: Found, case: Case) -> bool:
    """Whether a bundle still says what the one of ``case`` says."""
    try:
        mine, genuine = claim(found), claim(case.files)
    except AuditError:
        return False
    offered = mine.pop("snp-ca", set())
    pinned = genuine.pop("snp-ca", set())
    return mine == genuine and offered <= pinned


def twin(report: bytes) -> bytes:
    """The report with n - s in the place of s."""
    r, s = (int.from_bytes(report[at : at + 72], "little") for at in (_SIGNATURE, _SIGNATURE + 72))
    pair = r.to_bytes(72, "little") + (_ORDER - s).to_bytes(72, "little")
    return report[:_SIGNATURE] + pair + report[_SIGNATURE + 144 :]


# Order of P-384 (SEC 2 section 2.5.1).
_ORDER = int.from_bytes(
    bytes.fromhex(
        "ffffffffffffffffffffffffffffffffffffffffffffffff"
        "c7634d81f4372ddf581a0db248b0a77aecec196accc52973"
    )
)


def _report(report: bytes) -> tuple[object, ...]:
    r, s = (int.from_bytes(report[at : at + 72], "little") for at in (_SIGNATURE, _SIGNATURE + 72))
    return report[:_SIGNATURE], r, min(s, _ORDER - s), report[_SIGNATURE + 144 :]


def edited(rng: random.Random, original: bytes) -> bytes:
    data = bytearray(original)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        place = rng.randrange(len(data) + 1)
        size = min(rng.choice((1, 1, 2, 4, 16, 256)), len(data))
        kind = rng.randrange(6)
        if kind == 0 and data:
            data[place % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place : place + size] = rng.randbytes(len(data[place : place + size]))
        elif kind == 2:
            data[place:place] = rng.randbytes(size or 1)
        elif kind == 3:
            del data[place : place + size]
        elif kind == 4:
            data[place:place] = data[place : place + size]
        else:
            del data[place:]
    return bytes(data)


def _field(rng: random.Random, raw: bytes) -> tuple[int, bytes]:
    """An offset and other bytes for it, which the policy must not accept."""
    kind = rng.randrange(len(_PINNED) + len(_FLOORS) + 1)
    if kind < len(_PINNED):
        offset, size = list(_PINNED.values())[kind]
        original = raw[offset : offset + size]
        patch = bytearray(original)
        while patch == original:
            if rng.random() < 0.5:
                patch[rng.randrange(size)] ^= 1 << rng.randrange(8)
            else:
                patch[:] = rng.randbytes(size)
        return offset, bytes(patch)
    if kind < len(_PINNED) + len(_FLOORS):
        offset = list(_FLOORS.values())[kind - len(_PINNED)]
        return offset, bytes((rng.randrange(raw[offset]),))
    value = int.from_bytes(raw[8:16], "little") | 1 << rng.choice(_PERMISSIONS)
    return 8, value.to_bytes(8, "little")


def _base64_edited(rng: random.Random, line: bytes) -> bytes:
    head, _, last = line.rpartition(b" ")
    try:
        value = base64.b64decode(last, validate=True)
    except ValueError:
        return edited(rng, line or b"\0")
    encoded = base64.b64encode(edited(rng, value or b"\0"))
    return head + b" " + encoded if head else encoded


def _edit_json(rng: random.Random, document: Any) -> None:
    """Replace, remove or add one member somewhere in a JSON document."""
    place = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        inner = [key for key in keys if isinstance(place[key], dict | list) and place[key]]
        if not inner or rng.random() < 0.3:
            break
        place = place[rng.choice(inner)]
    key = rng.choice(keys)
    kind = rng.randrange(4)
    if kind == 0:
        del place[key]
    elif kind == 1 and isinstance(place, dict):
        place[rng.choice(("extra", "threshold", "role", "keyid"))] = rng.randrange(9)
    else:
        place[key] = _other_value(rng, place[key])


def _other_value(rng: random.Random, value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rng.choice((-1, 1, 2**32))
    if isinstance(value, str) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        return value[:place] + rng.choice("0aZ/=+") + value[place + 1 :]
    return rng.choice((None, "", [], {}, 0, "x" * 3000))
