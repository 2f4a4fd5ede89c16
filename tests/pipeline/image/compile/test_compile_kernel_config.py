from __future__ import annotations

import pytest

from pipeline.image.compile.kernel_config import OFF, check_kernel_config, parse_kernel_config
from pipeline.image.compile.recipe import KERNEL_CONFIG
from tests.architecture.source import ROOT
from tests.pipeline.image.refusing import refused
from verifier.errors import ParseError, VerificationError

FRAGMENT = parse_kernel_config((ROOT / KERNEL_CONFIG).read_bytes(), what="kernel.config")


def test_options_are_read_with_their_values() -> None:
    raw = b'# A word.\n\nCONFIG_A=y\nCONFIG_N=64\nCONFIG_X=0x1f\nCONFIG_S="a,b"\n'
    raw += b"CONFIG_T=-1\n# CONFIG_B is not set\n"
    assert parse_kernel_config(raw, what="x") == {
        "CONFIG_A": "y",
        "CONFIG_N": "64",
        "CONFIG_X": "0x1f",
        "CONFIG_S": '"a,b"',
        "CONFIG_T": "-1",
        "CONFIG_B": OFF,
    }


@pytest.mark.parametrize("line", ["CONFIG_A=m", "CONFIG_A = y", "A=y", "CONFIG_A=", 'CONFIG_A="'])
def test_a_line_that_is_no_option_is_refused(line: str) -> None:
    with refused(ParseError, "x, line 2", expected="an option or a comment", got=repr(line)):
        parse_kernel_config(f"# x\n{line}\n".encode(), what="x")


def test_an_option_that_is_there_twice_is_refused() -> None:
    raw = b"CONFIG_A=y\n# CONFIG_A is not set\n"
    with refused(ParseError, "x, line 2", expected="CONFIG_A once", got="it is there already"):
        parse_kernel_config(raw, what="x")


def test_what_is_as_wanted_passes_whatever_else_is_there() -> None:
    wanted = {"CONFIG_A": "y", "CONFIG_B": OFF, "CONFIG_C": OFF}
    check_kernel_config({"CONFIG_A": "y", "CONFIG_B": OFF, "CONFIG_D": "y"}, wanted=wanted)


@pytest.mark.parametrize(
    ("wanted", "found", "got"),
    [("y", None, "n"), ("y", OFF, "n"), (OFF, "y", "y"), ("64", "8", "8")],
)
def test_an_option_that_got_lost_is_named(wanted: str, found: str | None, got: str) -> None:
    options = {"CONFIG_A": "y"} | ({} if found is None else {"CONFIG_SECCOMP": found})
    what = "kernel configuration, CONFIG_SECCOMP"
    with refused(VerificationError, what, expected=wanted, got=got):
        check_kernel_config(options, wanted={"CONFIG_A": "y", "CONFIG_SECCOMP": wanted})


@pytest.mark.parametrize(
    "name",
    [
        *("CPU_MITIGATIONS", "MITIGATION_SRSO", "MITIGATION_RETPOLINE", "STACKPROTECTOR_STRONG"),
        *("LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY", "RANDOMIZE_BASE", "STRICT_KERNEL_RWX"),
        *("SEV_GUEST", "TSM_REPORTS", "AMD_MEM_ENCRYPT", "EFI_STUB", "SECCOMP_FILTER"),
    ],
)
def test_the_recipe_asks_for_it(name: str) -> None:
    assert FRAGMENT[f"CONFIG_{name}"] == "y"


@pytest.mark.parametrize(
    "name",
    [
        *("MODULES", "KEXEC", "KEXEC_FILE", "DEVMEM", "BPF_SYSCALL", "IO_URING", "USER_NS"),
        *("ACPI_TABLE_UPGRADE", "MAGIC_SYSRQ", "DEBUG_FS", "IPV6", "BLOCK", "RD_ZSTD"),
    ],
)
def test_the_recipe_forbids_it(name: str) -> None:
    assert FRAGMENT[f"CONFIG_{name}"] == OFF
