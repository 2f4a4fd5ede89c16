from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.image.lock import KERNEL, LOCK_MAX, Lock, Suite, encode_lock, parse_lock
from tests.architecture.source import ROOT
from tests.pipeline.image.refusing import refused
from tests.pipeline.image.synthetic_inputs import DATE, KERNEL_NAME, inputs, lock_of
from verifier.errors import PolicyError

LOCK = lock_of(inputs())
RAW = encode_lock(LOCK)


def test_a_lock_is_read_as_it_was_written() -> None:
    assert parse_lock(RAW) == LOCK
    assert RAW.startswith(b"# The inputs of the guest image, by content.")


def test_the_lock_of_this_tree_is_sound() -> None:
    lock = parse_lock((ROOT / "pipeline" / "image" / "inputs.lock").read_bytes())
    assert {suite.name for suite in lock.suites} == {"forky", "trixie"}
    assert len(lock.of_role(KERNEL)) == 1


def changed(old: str, new: str) -> bytes:
    text = RAW.decode()
    assert old in text
    return text.replace(old, new, 1).encode()


@pytest.mark.parametrize(
    ("raw", "what", "expected", "got"),
    [
        (
            changed('schema = "cvm-audit/image-lock/v1"', 'schema = "cvm-audit/image-lock/v2"'),
            "inputs.lock.schema",
            "cvm-audit/image-lock/v1",
            "'cvm-audit/image-lock/v2'",
        ),
        (
            changed("size = ", "mirror = 1\nsize = "),
            "inputs.lock.input[0]",
            "no unknown member",
            "'mirror'",
        ),
        (
            changed('role = "wheel"', 'role = "tool"'),
            "inputs.lock.input[0].role",
            "firmware or kernel or userland or wheel",
            "'tool'",
        ),
        (
            changed("\n[[input]]", "\n\n[[input]]"),
            "inputs.lock",
            "what relock writes",
            "another spelling or order",
        ),
        (
            changed("# The", "#  The"),
            "inputs.lock",
            "what relock writes",
            "another spelling or order",
        ),
        (
            changed('suite = "trixie"', 'suite = "sid"'),
            "inputs.lock, libc6.suite",
            "a suite of the lock",
            "sid",
        ),
        (
            changed('suite = ""', 'suite = "trixie"'),
            "inputs.lock, cffi.suite",
            "no suite",
            "trixie",
        ),
        (
            b"x" * (LOCK_MAX + 1),
            "inputs.lock",
            f"at most {LOCK_MAX} bytes",
            f"{LOCK_MAX + 1} bytes",
        ),
    ],
)
def test_a_lock_is_read_strictly(raw: bytes, what: str, expected: str, got: str) -> None:
    with refused(PolicyError, what, expected=expected, got=got):
        parse_lock(raw)


def test_another_size_is_another_lock() -> None:
    assert parse_lock(changed("size = ", "size = 9")) != LOCK


@pytest.mark.parametrize("raw", [b"schema = \n", b"\xff", b"a = 1\na = 2\n"])
def test_what_is_no_toml_is_refused(raw: bytes) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_lock(raw)
    assert (caught.value.what, caught.value.expected) == ("inputs.lock", "TOML in UTF-8")


def test_two_versions_of_an_input_are_refused() -> None:
    item = LOCK.inputs[0]
    doubled = Lock(LOCK.suites, (item, replace(item, version="9"), *LOCK.inputs[1:]))
    got = f"{item.version} and 9"
    with refused(PolicyError, f"inputs.lock, {item.name}", expected="one version", got=got):
        parse_lock(encode_lock(doubled))


@pytest.mark.parametrize("count", [0, 2])
def test_there_is_one_kernel(count: int) -> None:
    kernel = next(item for item in LOCK.inputs if item.name == KERNEL_NAME)
    others = [item for item in LOCK.inputs if item is not kernel]
    kernels = [replace(kernel, name=f"linux-image-{number}") for number in range(count)]
    raw = encode_lock(Lock(LOCK.suites, (*others, *kernels)))
    with refused(PolicyError, "inputs.lock, role kernel", expected="one input", got=str(count)):
        parse_lock(raw)


def test_a_path_stays_below_the_root_of_the_archive() -> None:
    for path in ("/pool/x", "pool//x", "../x", "pool/../x", "pool/.x", "http://host/x", "a b"):
        item = replace(LOCK.inputs[0], path=path)
        with pytest.raises(PolicyError) as caught:
            parse_lock(encode_lock(Lock(LOCK.suites, (item, *LOCK.inputs[1:]))))
        assert caught.value.what == "inputs.lock.input[0].path"
        assert caught.value.got == repr(path)


def test_suites_are_written_in_order() -> None:
    turned = Lock((Suite("trixie", DATE, bytes(32)), Suite("forky", DATE, bytes(32))), LOCK.inputs)
    assert encode_lock(turned) == RAW
