"""``cvm-audit release prepare``: the statement of a release, from the folder that a build left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from verifier.cli.files import read_file, write_file
from verifier.cli.matrix_options import MatrixLists, matrix_options
from verifier.errors import ParseError, VerificationError
from verifier.fetch.artifacts import artifact_address, is_url
from verifier.measurement.sev_snp import SNP_ACTIVE, LaunchInputs, Vmm, launch_inputs_from_binaries
from verifier.release.cvm_release import (
    TCB_COMPONENTS,
    Artifact,
    CvmRelease,
    ExpectedEvidence,
    TcbFloor,
)
from verifier.release.image_manifest import ImageManifest, parse_image_manifest
from verifier.release.release_statement import encode_cvm_release
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_decimal, parse_json, parse_timestamp

__all__ = ["prepare"]

_MANIFEST = "manifest.json"
_MAX_MANIFEST = 64 * 1024 * 1024
_MAX_ARTIFACT = 2 * 1024 * 1024 * 1024
_MEASURED = ("firmware", "kernel", "initrd", "command-line")
_MAX_LEVEL = 255


def _instant(context: click.Context, parameter: click.Parameter, value: str) -> datetime:
    try:
        return parse_timestamp(value, what="--not-after")
    except ParseError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def _floors(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[TcbFloor, ...]:
    floors = tuple(_floor(context, parameter, value) for value in values)
    if len({floor.product for floor in floors}) != len(floors):
        raise click.BadParameter("one for each product line", context, parameter)
    return floors


def _floor(context: click.Context, parameter: click.Parameter, value: str) -> TcbFloor:
    product, _, text = value.partition(":")
    parts = [part.partition("=")[::2] for part in text.split(",")]
    names = TCB_COMPONENTS.get(product, ())
    if not names or sorted(name for name, _ in parts) != sorted(names):
        forms = (f"{line}:{','.join(f'{n}=N' for n in of)}" for line, of in TCB_COMPONENTS.items())
        message = f"{value!r} is not {' or '.join(forms)}"
        raise click.BadParameter(message, context, parameter)
    try:
        levels = {
            name: parse_decimal(level, what=name, maximum=_MAX_LEVEL) for name, level in parts
        }
    except ParseError as error:
        raise click.BadParameter(str(error), context, parameter) from None
    return TcbFloor(product, tuple((name, levels[name]) for name in names))


def _locations(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    for value in values:
        if not is_url(value):
            raise click.BadParameter(f"{value!r} is no URL of http or https", context, parameter)
    return values


@click.command()
@click.argument("image", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--product", required=True, help="What is released, such as reference-cvm.")
@click.option("--version", required=True, help="Version of the product.")
@click.option(
    "--security-version",
    required=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Rises with every release that closes a hole.",
)
@click.option(
    "--not-after",
    required=True,
    metavar="RFC3339",
    callback=_instant,
    help="The release ends then.",
)
@click.option("--role", help="What the machine is for; that of the guest policy if not given.")
@matrix_options
@click.option(
    "--minimum-tcb",
    "floors",
    required=True,
    multiple=True,
    metavar="PRODUCT:COMPONENT=N,…",
    callback=_floors,
    help="Lowest TCB, such as Milan:bootloader=4,tee=0,snp=24,microcode=219; once a product line.",
)
@click.option(
    "--location",
    "locations",
    multiple=True,
    metavar="URL",
    callback=_locations,
    help="Folder where the files will be found, as a hint; may be repeated.",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="New file for it."
)
def prepare(image: Path, output: Path, **options: Any) -> None:
    """Write the statement of a release of IMAGE, the folder of an image build, to be published.

    Every file is held against the build's manifest, and every measurement computed from the files.
    The evidence that is promised is that of SEV-SNP at VMPL 0, without debugging and migration.
    """
    lists = MatrixLists.taken(options)
    manifest, copies = _read_image(image)
    release = CvmRelease(
        role=options["role"] or _role(copies),
        product=options["product"],
        version=options["version"],
        security_version=options["security_version"],
        artifacts=tuple(_located(each, options["locations"]) for each in manifest.artifacts),
        measurements=lists.rows(_launch(copies)),
        expected_evidence=ExpectedEvidence(("sev-snp",), (0,), False, False, options["floors"]),
        build=manifest.build,
        not_after=options["not_after"],
    )
    write_file(output, encode_cvm_release(release))
    words = f"{len(release.artifacts)} artifacts, {len(release.measurements)} measurements"
    click.echo(f"{output}: {release.product} {release.version}, {words}", err=True)


def _read_image(folder: Path) -> tuple[ImageManifest, Mapping[str, bytes]]:
    """The manifest with itself among the artifacts, and the files by role."""
    raw = read_file(folder / _MANIFEST, limit=_MAX_MANIFEST)
    manifest = parse_image_manifest(raw)
    copies = {each.role: _read(folder, each) for each in manifest.artifacts}
    if len(copies) != len(manifest.artifacts):
        raise ParseError(_MANIFEST, expected="one artifact of each role", got="two of one")
    itself = Artifact(_MANIFEST, "image-manifest", len(raw), sha256(raw).digest(), ())
    return replace(manifest, artifacts=(*manifest.artifacts, itself)), copies


def _read(folder: Path, artifact: Artifact) -> bytes:
    path = folder / artifact.name
    raw = read_file(path, limit=_MAX_ARTIFACT)
    if len(raw) != artifact.size or sha256(raw).digest() != artifact.sha256:
        stated = f"{artifact.size} bytes, sha256 {artifact.sha256.hex()}"
        got = f"{len(raw)} bytes, sha256 {sha256(raw).hexdigest()}"
        raise VerificationError(str(path), expected=f"{stated}, as {_MANIFEST} says", got=got)
    return raw


def _located(artifact: Artifact, places: tuple[str, ...]) -> Artifact:
    addresses = (artifact_address(place, artifact.name) for place in places)
    return replace(artifact, locations=tuple(addresses))


def _role(copies: Mapping[str, bytes]) -> str:
    raw = copies.get("guest-policy")
    if raw is None:
        raise click.UsageError("--role is needed: the image has no guest policy that says it")
    return JsonObject(parse_json(raw, what="guest policy"), what="guest policy").text("role")


def _launch(copies: Mapping[str, bytes]) -> LaunchInputs:
    missing = [role for role in _MEASURED if role not in copies]
    if missing:
        raise ParseError(_MANIFEST, expected=f"an artifact of the role {missing[0]}", got="none")
    return launch_inputs_from_binaries(
        firmware=copies["firmware"],
        kernel=copies["kernel"],
        initrd=copies["initrd"],
        cmdline=copies["command-line"],
        # These three are the matrix's to say.
        vcpus=1,
        vcpu_signature=0,
        guest_features=SNP_ACTIVE,
        vmm=Vmm.QEMU,
    )
