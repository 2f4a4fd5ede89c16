"""Who may import whom. The import graph is the trust argument, and the privacy argument."""

from __future__ import annotations

from collections.abc import Iterator

from tests.architecture.source import (
    PACKAGES,
    Module,
    Violation,
    assert_holds,
    broken,
    imports,
    snippet,
    within,
)

FORMATS = (
    "verifier.errors",
    "verifier.tlog",
    "verifier.wire",
    "verifier.release",
    "verifier.evidence",
)

# What a room may import of this project besides itself. A room that is not here may not exist.
BELOW: dict[str, tuple[str, ...]] = {
    "verifier.errors": (),
    "verifier.tlog": ("verifier.errors",),
    "verifier.wire": ("verifier.errors", "verifier.tlog"),
    "verifier.release": ("verifier.errors", "verifier.tlog"),
    # snp_root holds the names of products and key kinds; the keys themselves stay out of reach.
    "verifier.evidence": ("verifier.errors", "verifier.tlog", "verifier.roots.snp_root"),
    "verifier.roots": ("verifier.errors",),
    "verifier.measurement": FORMATS,
    "verifier.appraisal": (*FORMATS, "verifier.roots", "verifier.measurement"),
    "verifier.report": (*FORMATS, "verifier.roots", "verifier.measurement", "verifier.appraisal"),
    "verifier.fetch": (*FORMATS, "verifier.roots"),
    # Asks verifiers and marks their answers; ours is one of them, so it needs all that a verdict
    # needs, and nothing of the command line.
    "verifier.conformance": (
        *FORMATS,
        "verifier.roots",
        "verifier.measurement",
        "verifier.appraisal",
    ),
    # Reads what is judged from disk, for the command line and for programs.
    "verifier.files": ("verifier.errors", "verifier.tlog", "verifier.evidence"),
    "verifier.library": (
        *FORMATS,
        "verifier.roots",
        "verifier.appraisal",
        "verifier.files",
    ),
    # Judges each connection before it says a word of its user's over it.
    "verifier.client": (
        *FORMATS,
        "verifier.roots",
        "verifier.appraisal",
        "verifier.files",
        "verifier.library",
    ),
    # Runs the builder of a release as a process; what came of it is appraised like anything else.
    "verifier.rebuild": (*FORMATS, "verifier.measurement", "verifier.appraisal"),
    # Boots machines and talks to them; the reference system it starts as a process.
    "verifier.drive": (
        *FORMATS,
        "verifier.roots",
        "verifier.measurement",
        "verifier.appraisal",
        "verifier.files",
        "verifier.library",
        "verifier.client",
    ),
    "verifier.cli": ("verifier",),
    "verifier.__main__": ("verifier.cli",),
    # What programs import is named there, and loaded when it is used.
    "verifier": (
        "verifier.errors",
        "verifier.appraisal",
        "verifier.client",
        "verifier.library",
        "verifier.roots",
    ),
    "log_server": ("verifier.errors", "verifier.tlog", "verifier.release"),
    # What the platform measures and signs it does with its own code or with sev-snp-measure.
    # snp_root types the simulated root; the pinned keys stay out of reach here too.
    "pipeline.platform": (
        "verifier.errors",
        "verifier.tlog",
        "verifier.evidence",
        "verifier.roots.snp_root",
    ),
    # The builder runs on a bare Python; what it shares with the judge is how to read strictly.
    "pipeline.image": (
        "verifier.errors",
        "verifier.tlog",
        "verifier.release.directory_digest",
        "verifier.evidence.guid",
    ),
    # The guest reads evidence and releases; it never judges, and knows no other role.
    "pipeline.node": FORMATS,
    # What the roles of the private path have in their lives; test_roles.py says what each may see.
    "pipeline.role": ("verifier.errors", "verifier.tlog"),
    "pipeline.relay": (
        "pipeline.role",
        "verifier.errors",
        "verifier.tlog.strict",
        "verifier.wire.ohttp_media",
    ),
    "pipeline.keycdn": (
        "pipeline.role",
        "verifier.errors",
        "verifier.tlog.proof",
        "verifier.wire.key_configuration",
    ),
    "pipeline.issuer": (
        "pipeline.role",
        "verifier.errors",
        "verifier.tlog",
        "verifier.wire.blind_signing",
        "verifier.wire.token_issuance",
        "verifier.wire.token_key",
    ),
    "pipeline.gateway": (
        "pipeline.role",
        "verifier.errors",
        "verifier.tlog",
        "verifier.wire.ohttp",
        "verifier.wire.ohttp_keys",
        "verifier.wire.ohttp_media",
        "verifier.wire.token",
        "verifier.wire.token_challenge",
        "verifier.wire.token_key",
        "verifier.wire.tunnel",
        "verifier.wire.tunnel_answer",
    ),
    # No role: makes the keys of two of them, and the statements that are logged.
    "pipeline.keys": (
        "verifier.errors",
        "verifier.release",
        "verifier.wire.ohttp",
        "verifier.wire.ohttp_keys",
        "verifier.wire.token_challenge",
        "verifier.wire.token_key",
    ),
    # Starts roles as processes; what they do it cannot name.
    "pipeline.up": ("pipeline.role", "verifier.errors", "verifier.tlog"),
    "pipeline": (),
}

# What a module of the private path may import of its own room, besides itself. A role imports few
# of these modules, and so must not reach more through them than it may see: a relay knows the names
# of media types, a key CDN bytes, an issuer nothing of tokens but blinded requests.
WIRE: dict[str, tuple[str, ...]] = {
    "auth_scheme": (),
    "bhttp": ("varint",),
    "blind_rsa": (),
    "blind_signing": ("blind_rsa",),
    "key_configuration": (),
    "key_set": ("ohttp_keys", "token_key"),
    "ohttp": ("ohttp_keys", "ohttp_media"),
    "ohttp_keys": (),
    "ohttp_media": (),
    "token": ("auth_scheme", "blind_rsa", "token_challenge", "token_key"),
    "token_challenge": ("auth_scheme", "token_key"),
    "token_issuance": ("token_key",),
    "token_key": ("blind_rsa",),
    "token_request": ("blind_rsa", "token", "token_challenge", "token_issuance", "token_key"),
    "tunnel": ("bhttp", "token"),
    "tunnel_answer": ("bhttp", "tunnel"),
    "varint": (),
    # What is inside the attested session; nothing here is told apart by role.
    "attested_tls": ("sealed",),
    "sealed": (),
    "service": (),
    "session_binding": ("attested_tls",),
    "workload": ("service",),
}

# Code that is not ours nor Python's, and the only places that may use it.
THIRD_PARTY: dict[str, tuple[str, ...]] = {
    # The TLS exporter, which Python's own ssl does not give; both ends of an attested session.
    "OpenSSL": ("pipeline.node", "verifier.client"),
    "click": ("verifier.cli", "log_server.cli", "pipeline"),
    "cryptography": (
        "verifier.tlog",
        "verifier.release",
        "verifier.evidence",
        "verifier.appraisal",
        "verifier.roots",
        # HPKE, for the seals of the private path.
        "verifier.wire",
        "verifier.client",
        "verifier.drive",
        "verifier.cli",
        "log_server",
        "pipeline",
    ),
    "h11": ("pipeline.node", "verifier.client"),
    "httptools": ("log_server.protocol",),
    "merkle_json": ("verifier.report.similarity",),
    "prometheus_client": ("log_server.metrics",),
    "pyasn1": (),
    "pyasn1_modules": (),
    # HPKE contexts with export, which `cryptography` has not; the client and the gateway.
    "pyhpke": ("verifier.wire.ohttp",),
    "requests": ("verifier.fetch", "log_server.submission", "pipeline.relay"),
    "rfc8785": (
        "verifier.tlog",
        "verifier.release",
        "verifier.evidence",
        "verifier.report",
        "verifier.wire",
        "log_server",
    ),
    "sevsnpmeasure": ("pipeline.platform",),
    "sigstore": ("verifier.release.sigstore_bundle",),
    # Where sigstore keeps its documents: read from bytes, as sigstore itself reads files only.
    "sigstore_models": ("verifier.release.sigstore_bundle",),
    "sqlalchemy": ("log_server.store",),
    "starlette": ("pipeline.role",),
    "urllib3": ("log_server.source",),
    "uvicorn": ("pipeline.role",),
    "uvloop": ("log_server.server",),
}


def room_of(name: str) -> str:
    """The longest room that ``name`` lies in."""
    rooms = [room for room in BELOW if within(name, room)]
    return max(rooms, key=len, default="")


def upward_imports(module: Module) -> Iterator[Violation]:
    room = room_of(module.name)
    for line, target in imports(module):
        if target.split(".")[0] not in PACKAGES:
            continue
        allowed = (room, *BELOW[room]) if room not in ("verifier", "pipeline") else BELOW[room]
        if not any(within(target, other) for other in allowed):
            yield Violation(module.path, line, f"{room} may not import {target}")


def sideways_imports(module: Module) -> Iterator[Violation]:
    if not module.name.startswith("verifier.wire."):
        return
    own = module.name.split(".")[2]
    if own not in WIRE:
        yield Violation(module.path, 1, f"{module.name} has no row in WIRE")
        return
    for line, target in imports(module):
        if within(target, "verifier.wire"):
            other = [*target.split("."), ""][2]
            if other not in (own, *WIRE[own]):
                rule = f"verifier.wire.{own} may not import {target}"
                yield Violation(module.path, line, rule)


def reached(name: str) -> frozenset[str]:
    """What a module of the private path reaches in its room, itself included."""
    return frozenset({name}.union(*(reached(other) for other in WIRE[name])))


def rooms_without_rule(module: Module) -> Iterator[Violation]:
    package = module.name.split(".")[0]
    is_front_door = module.name == package and module.is_package
    if package != "log_server" and room_of(module.name) == package and not is_front_door:
        yield Violation(module.path, 1, f"{module.name} lies in no room: give it a row in BELOW")


def foreign_imports(module: Module) -> Iterator[Violation]:
    for line, target in imports(module):
        package = target.split(".")[0]
        places = THIRD_PARTY.get(package)
        if places is not None and not any(within(module.name, place) for place in places):
            yield Violation(module.path, line, f"{module.name} may not import {package}")


def unlisted_imports(module: Module) -> Iterator[Violation]:
    import sys

    known = {*sys.stdlib_module_names, *THIRD_PARTY, *PACKAGES}
    for line, target in imports(module):
        if target.split(".")[0] not in known:
            yield Violation(module.path, line, f"{target.split('.')[0]} has no row in THIRD_PARTY")


def test_rooms_import_only_what_lies_below_them() -> None:
    assert_holds(upward_imports)


def test_an_upward_import_is_reported() -> None:
    bad = "from verifier.errors import ParseError\nfrom verifier.appraisal import checks\n"
    assert broken(upward_imports, snippet("verifier.tlog.note", bad)) == [
        "verifier/tlog/note.py:2: verifier.tlog may not import verifier.appraisal.checks"
    ]


def test_an_upward_import_cannot_hide() -> None:
    for hidden in (
        "from ..appraisal import checks",
        "from .. import appraisal",
        "import verifier.appraisal.checks as c",
        "def f():\n    from verifier.appraisal import checks",
        "import importlib\nimportlib.import_module('verifier.appraisal')",
    ):
        assert broken(upward_imports, snippet("verifier.tlog.note", hidden)), hidden


def test_the_judge_imports_neither_the_record_nor_the_reference_system() -> None:
    for stranger in ("log_server.tree", "pipeline.platform"):
        bad = snippet("verifier.cli.verify", f"import {stranger}\n")
        assert broken(upward_imports, bad) == [
            f"verifier/cli/verify.py:1: verifier.cli may not import {stranger}"
        ]


def test_parsers_of_evidence_cannot_name_a_vendor_key() -> None:
    bad = snippet("verifier.evidence.snp_report", "from verifier.roots.amd import AMD_ROOTS\n")
    (line,) = broken(upward_imports, bad)
    assert line.endswith(":1: verifier.evidence may not import verifier.roots.amd.AMD_ROOTS")


def test_the_record_sees_only_the_formats_of_the_log() -> None:
    bad = snippet("log_server.tree", "from verifier.evidence import snp_report\n")
    assert broken(upward_imports, bad) == [
        "log_server/tree.py:1: log_server may not import verifier.evidence.snp_report"
    ]


def test_roles_of_the_reference_system_never_import_one_another() -> None:
    bad = snippet("pipeline.platform.report", "from pipeline.relay import app\n")
    assert broken(upward_imports, bad) == [
        "pipeline/platform/report.py:1: pipeline.platform may not import pipeline.relay.app"
    ]


def test_modules_of_the_private_path_import_only_what_their_role_may_see() -> None:
    assert_holds(sideways_imports)


def test_a_sideways_import_is_reported() -> None:
    for hidden in (
        "from verifier.wire.bhttp import parse_request",
        "from verifier.wire import bhttp",
        "from . import bhttp",
        "import verifier.wire.bhttp",
        "from verifier import wire",
    ):
        bad = snippet("verifier.wire.token_issuance", hidden)
        assert len(broken(sideways_imports, bad)) == 1, hidden
    assert broken(sideways_imports, snippet("verifier.wire.magic", "")) == [
        "verifier/wire/magic.py:1: verifier.wire.magic has no row in WIRE"
    ]
    assert not broken(sideways_imports, snippet("verifier.tlog.note", "import verifier.wire.x"))


def test_what_a_role_imports_reaches_nothing_that_it_may_not_see() -> None:
    assert reached("ohttp_media") == {"ohttp_media"}
    assert reached("key_configuration") == {"key_configuration"}
    issuer = reached("token_issuance") | reached("blind_signing")
    assert issuer == {"token_issuance", "token_key", "blind_signing", "blind_rsa"}
    gateway = reached("ohttp") | reached("tunnel_answer")
    assert not gateway & {"token_request", "sealed", "service", "workload", "blind_signing"}
    session = reached("sealed") | reached("workload") | reached("session_binding")
    assert session == {"attested_tls", "sealed", "service", "session_binding", "workload"}


def test_every_room_has_a_rule() -> None:
    assert_holds(rooms_without_rule)


def test_a_room_without_a_rule_is_reported() -> None:
    assert broken(rooms_without_rule, snippet("verifier.magic.spell", "")) == [
        "verifier/magic/spell.py:1: verifier.magic.spell lies in no room: give it a row in BELOW"
    ]
    assert broken(rooms_without_rule, snippet("pipeline.magic.app", ""))


def test_the_rooms_form_no_circle() -> None:
    for room, below in BELOW.items():
        for other in below:
            assert room not in BELOW[room_of(other)], f"{room} and {other} may import one another"


def test_foreign_code_stays_in_its_room() -> None:
    assert_holds(foreign_imports)


def test_foreign_code_out_of_its_room_is_reported() -> None:
    bad = snippet("log_server.tree", "from merkle_json import MerkleJson\n")
    assert broken(foreign_imports, bad) == [
        "log_server/tree.py:1: log_server.tree may not import merkle_json"
    ]
    assert broken(foreign_imports, snippet("verifier.appraisal.appraise", "import requests\n"))
    assert not broken(foreign_imports, snippet("verifier.report.similarity", bad.text))


def test_all_foreign_code_is_listed() -> None:
    assert_holds(unlisted_imports)


def test_unlisted_foreign_code_is_reported() -> None:
    assert broken(unlisted_imports, snippet("verifier.tlog.note", "import numpy\n")) == [
        "verifier/tlog/note.py:1: numpy has no row in THIRD_PARTY"
    ]
