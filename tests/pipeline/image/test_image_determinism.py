"""One lock, one source, one policy: one image, whoever builds it, wherever and whenever."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.pipeline.image.synthetic_inputs import fill
from tests.pipeline.image.variations import ARTIFACTS, VARIATIONS, Variation, build, copy_source

PLAIN = Variation("plain")


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    # Not below pytest's folder, which is closed to the other user.
    folder = Path(tempfile.mkdtemp(prefix="cvm-image-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def made(base: Path) -> tuple[Path, Path, Path]:
    return fill(base)


@pytest.fixture(scope="module")
def tree(base: Path) -> Path:
    # A copy, which nobody edits in the meantime.
    folder = base / "tree"
    folder.mkdir()
    return copy_source(ROOT, folder)


@pytest.fixture(scope="module")
def plain(base: Path, tree: Path, made: tuple[Path, Path, Path]) -> dict[str, bytes]:
    lock, store, policy = made
    return build(PLAIN, base, tree=tree, lock=lock, store=store, policy=policy)[0]


@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda variation: variation.name)
def test_no_difference_between_machines_shows(
    base: Path,
    tree: Path,
    made: tuple[Path, Path, Path],
    plain: dict[str, bytes],
    variation: Variation,
) -> None:
    if variation.missing():
        pytest.skip(f"no {variation.missing()}")
    lock, store, policy = made
    varied, _ = build(variation, base, tree=tree, lock=lock, store=store, policy=policy)
    assert [name for name in ARTIFACTS if varied[name] != plain[name]] == []


def test_another_policy_is_another_image(
    base: Path, tree: Path, made: tuple[Path, Path, Path], plain: dict[str, bytes]
) -> None:
    lock, store, policy = made
    other = base / "other-policy.json"
    other.write_bytes(policy.read_bytes().replace(b": ", b":"))
    varied, _ = build(Variation("other"), base, tree=tree, lock=lock, store=store, policy=other)
    differing = {name for name in ARTIFACTS if varied[name] != plain[name]}
    assert differing == {"guest-policy.json", "initrd.bin", "manifest.json"}


@pytest.mark.slow
@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("options", [(), ("--byte-code",)], ids=["plain", "with byte code"])
def test_the_genuine_image_is_the_same_on_every_machine(
    base: Path,
    tree: Path,
    image_store: Path,
    options: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = base / f"genuine{len(options)}"
    folder.mkdir()
    store = shutil.copytree(image_store, folder / "store")
    for path in store.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # one of them builds as another user
    policy = folder / "guest-policy.json"
    policy.write_bytes(b'{"schema": "cvm-audit/guest-policy/v1"}\n')
    lock = tree / "pipeline" / "image" / "inputs.lock"
    digests: set[tuple[str, ...]] = set()
    lines: list[str] = []
    for variation in (PLAIN, *VARIATIONS):
        if variation.missing():
            lines.append(f"{variation.name}: skipped, no {variation.missing()}")
            continue
        varied, seconds = build(
            variation,
            folder,
            tree=tree,
            lock=lock,
            store=store,
            policy=policy,
            options=options,
        )
        digests.add(tuple(sha256(varied[name]).hexdigest() for name in ARTIFACTS))
        initrd = sha256(varied["initrd.bin"]).hexdigest()
        lines.append(f"{variation.name}: {seconds:.1f} s, initrd {initrd}")
        shutil.rmtree(folder / f"out of {variation.name}")
    with capsys.disabled():
        sys.stdout.write("\n".join(["", *lines, ""]))
    assert len(digests) == 1
    assert sum(" s, " in line for line in lines) >= 8
