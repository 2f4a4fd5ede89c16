"""The named and dated policies that come with the verifier.

They say what holds for any deployment: the guest's policy bits, the platform's, floors with their
sources, revocation, advisories. They know no log, no publisher and no measurement, so that a
verdict under one of them alone is at best PARTIAL; a policy of the auditor's own takes one as its
``base`` and says the rest. A name is never given to other bytes, and none is a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["BUILT_IN"]

_COMMON = """\
report_versions = [2, 3, 4, 5]
unknown_bits = []
signing_keys = ["VCEK"]
csp_ids = []
masked_chip_id = "forbidden"
vmpls = [0]
debug = "forbidden"
migrate_ma = "forbidden"
cxl = "forbidden"
restrictions_required = []
minimum_abi = "0.0"
# The host must have shown that no two addresses lead to one place in memory (BadRAM, AMD-SB-3015).
platform_info_required = ["ALIAS_CHECK_COMPLETE"]
platform_info_forbidden = []
provisional_firmware = "forbidden"
mitigations = { not_checked = "the vendor has not published what the bits mean" }
minimum_guest_svn = 0
measurement = { not_checked = "a built-in policy knows no release" }
report_data = "nonce"
host_data = { not_checked = "a built-in policy knows no configuration" }
family_id = { not_checked = "a built-in policy knows no guest owner" }
image_id = { not_checked = "a built-in policy knows no guest owner" }
id_key = { not_checked = "a built-in policy knows no guest owner" }
author_key = { not_checked = "a built-in policy knows no guest owner" }
id_block = { not_checked = "a built-in policy knows no guest owner" }
migration_agent = "none"
chip_ids = { not_checked = "a built-in policy knows no machines" }
denied_chip_ids = []
hosts = { not_checked = "a built-in policy knows no operator" }
"""

_HARDWARE_2026_11 = f"""\
# Genuine SEV-SNP hardware, as of November 2026.
schema = "cvm-audit/policy/v1"
name = "hardware-2026-11"
platform = "hardware"
require = ["evidence"]

[sev_snp]
# Without Milan: whoever has a chip of it can extract the seed of its keys (arXiv 2605.12990), so
# that its evidence proves no firmware level.
products = ["Genoa", "Turin"]
smt = "allowed"
crl = "fresh"
# 1.55.38 is the first firmware of Genoa with the fix of BadRAM (CVE-2024-21944).
minimum_firmware = "1.55.38"
{_COMMON}
[sev_snp.advisories]
# Few hosts offer a countermeasure (POLICY bit 25, or hidden ciphertext), and a guest that demands
# one does not start on the others.
accepted = ["heracles"]
undecidable = "allowed"
maximum_age_days = 365

# SNP 23: the microcode signature fix (CVE-2024-56161, AMD-SB-3019). No other level is published;
# microcode levels of Genoa and of Bergamo and Siena are counted apart, so none is asked for.
[sev_snp.minimum_reported_tcb.Genoa]
bootloader = 0
tee = 0
snp = 23
microcode = 0

[sev_snp.minimum_launch_tcb.Genoa]
bootloader = 0
tee = 0
snp = 23
microcode = 0

[sev_snp.minimum_committed_tcb.Genoa]
bootloader = 0
tee = 0
snp = 23
microcode = 0

# The vendor publishes no level for Turin. These are the levels of firmware 1.55.65.
[sev_snp.minimum_reported_tcb.Turin]
fmc = 1
bootloader = 1
tee = 1
snp = 4
microcode = 81

[sev_snp.minimum_launch_tcb.Turin]
fmc = 1
bootloader = 1
tee = 1
snp = 4
microcode = 81

[sev_snp.minimum_committed_tcb.Turin]
fmc = 1
bootloader = 1
tee = 1
snp = 4
microcode = 81
"""

_SIMULATED_2026_11 = f"""\
# The simulated secure processor of the reference pipeline, as of November 2026. It proves nothing
# about hardware, which every verdict says.
schema = "cvm-audit/policy/v1"
name = "simulated-2026-11"
platform = "simulated"
require = ["evidence"]

[sev_snp]
products = ["Milan"]
smt = "allowed"
crl = {{ not_checked = "a simulated vendor revokes nothing" }}
minimum_firmware = "1.55.29"
{_COMMON}
[sev_snp.advisories]
accepted = ["heracles"]
undecidable = "allowed"
maximum_age_days = 3650

# The levels that the simulated processor reports.
[sev_snp.minimum_reported_tcb.Milan]
bootloader = 4
tee = 0
snp = 24
microcode = 219

[sev_snp.minimum_launch_tcb.Milan]
bootloader = 4
tee = 0
snp = 24
microcode = 219

[sev_snp.minimum_committed_tcb.Milan]
bootloader = 4
tee = 0
snp = 24
microcode = 219
"""

BUILT_IN: Mapping[str, str] = MappingProxyType(
    {"hardware-2026-11": _HARDWARE_2026_11, "simulated-2026-11": _SIMULATED_2026_11}
)
"""Name to the text of the policy."""
