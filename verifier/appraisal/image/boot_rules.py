"""Rules about how an image is started: command line, firmware, and the guest's own policy."""

from __future__ import annotations

import re
from collections.abc import Iterator

from verifier.errors import AuditError
from verifier.measurement.sev_snp import launch_inputs_from_binaries
from verifier.measurement.vmm import Vmm
from verifier.tlog.json_object import JsonObject
from verifier.tlog.note import parse_vkey
from verifier.tlog.policy import parse_tlog_policy
from verifier.tlog.strict import excerpt, parse_json

__all__ = ["command_line", "firmware", "guest_policy", "mitigations"]

# Source: Linux, Documentation/admin-guide/kernel-parameters.txt.
_OPENING = re.compile(
    r"1|S|single|emergency|rescue|init|rdinit|root|rd\.break|rd\.shell|systemd\.unit"
    r"|systemd\.debug_shell|debug|earlycon|earlyprintk|ftrace|ignore_loglevel|initcall_debug"
    r"|no_hash_pointers|kgdbcon|kgdboc|kgdbwait|netconsole|sysrq_always_enabled"
    r"|acpi_rsdp|crashkernel|iomem|nokaslr|norandmaps"
)
# The kernel reads a truth value by its first letters: lib/kstrtox.c, kstrtobool.
_FALSE = r"(?:[0fFnN]|[oO][fF]).*"
_OPENING_VALUES = re.compile(
    rf"lockdown=none|mem_encrypt=off|(?:module\.sig_enforce|randomize_kstack_offset)={_FALSE}"
)
_OFF = re.compile(
    r"nopti|nospectre_v1|nospectre_v2|nospectre_bhb|nospec_store_bypass_disable|nosmap|nosmep"
    r"|noibrs|noibpb"
)
_OFF_VALUES = re.compile(
    r"(?:mitigations|pti|spectre_v2|spectre_v2_user|spectre_bhi|spec_store_bypass_disable|mds|l1tf"
    r"|tsx_async_abort|retbleed|srbds|mmio_stale_data|gather_data_sampling|spec_rstack_overflow"
    r"|reg_file_data_sampling|indirect_target_selection|tsa|vmscape)=off|tsx=on|kpti=0"
)
_MITIGATIONS = ("mitigations=auto", "mitigations=auto,nosmt")
_PANIC = re.compile(r"panic=(?:-[0-9]+|[1-9][0-9]*)")
_GUEST_POLICY = "cvm-audit/guest-policy/v1"


def command_line(raw: bytes) -> Iterator[str]:
    """ATK-022: parameters that start another program, open a console, or weaken the kernel."""
    parameters = _parameters(raw)
    if parameters is None:
        yield "it is not one line of printable ASCII without quotes"
        return
    names = [_name(parameter) for parameter in parameters]
    for parameter, name in zip(parameters, names, strict=True):
        value = f"{name}={_value(parameter)}"
        if _OPENING.fullmatch(name) or _OPENING_VALUES.fullmatch(value):
            yield parameter
        elif parameter == "--":
            yield "--: hands the rest to the first program"
    for name in sorted(set(names)):
        if names.count(name) > 1 and name != "console":
            yield f"{name}: given {names.count(name)} times, and the last one counts"


def mitigations(raw: bytes) -> Iterator[str]:
    """ATK-022: mitigations that are off or left to the default, and a panic that lives on."""
    parameters = _parameters(raw) or ()
    for parameter in parameters:
        plain = f"{_name(parameter)}={_value(parameter)}"
        if _OFF.fullmatch(_name(parameter)) or _OFF_VALUES.fullmatch(plain):
            yield parameter
    if not set(_MITIGATIONS) & set(parameters):
        yield f"no {' or '.join(_MITIGATIONS)}"
    if not any(_PANIC.fullmatch(parameter) for parameter in parameters):
        yield "no panic=-1, so that a guest that panics stays as it is"


def _parameters(raw: bytes) -> tuple[str, ...] | None:
    if re.fullmatch(rb"[ !#-~]+", raw) is None:
        return None
    return tuple(raw.decode("ascii").split())


def _name(parameter: str) -> str:
    # The kernel takes a dash for an underscore, in names of parameters.
    return parameter.partition("=")[0].replace("-", "_") if parameter != "--" else parameter


def _value(parameter: str) -> str:
    return parameter.partition("=")[2]


def firmware(raw: bytes) -> Iterator[str]:
    """ATK-023: firmware that has no measured place for the hashes of what it boots."""
    try:
        launch_inputs_from_binaries(
            firmware=raw,
            kernel=b"",
            initrd=None,
            cmdline=None,
            vcpus=1,
            vcpu_signature=0,
            guest_features=1,
            vmm=Vmm.QEMU,
        )
    except AuditError as error:
        yield str(error)


def guest_policy(raw: bytes) -> Iterator[str]:
    """ATK-061: a guest that would serve without a logged and signed release of itself."""
    try:
        document = JsonObject(parse_json(raw, what="guest policy"), what="guest policy")
        document.choice("schema", (_GUEST_POLICY,))
        parse_tlog_policy(document.text("logPolicy", pattern=r"[\n -~]{1,60000}"))
        publishers = document.texts("publishers", minimum=1)
        for publisher in publishers:
            parse_vkey(publisher)
        threshold = document.integer("publisherThreshold", minimum=1)
        if threshold > len(publishers):
            yield f"{threshold} signatures of {len(publishers)} publishers"
    except AuditError as error:
        yield excerpt(str(error), 200)
