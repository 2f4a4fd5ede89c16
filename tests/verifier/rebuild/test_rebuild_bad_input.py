"""``release rebuild`` with the builder of this tree, on inputs and sources that are broken.

The inputs are tiny packages with the files that the recipe takes, so that a build takes a moment.
"""

from __future__ import annotations

import lzma
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.image.lock import Input, Lock, encode_lock
from pipeline.image.store import Store
from tests.making import entry, statement
from tests.pipeline.image.synthetic_inputs import (
    POLICY,
    deb,
    inputs,
    lock_of,
    packages,
    tar,
    with_input,
)
from tests.running import ROOT, Ran, cvm_audit
from tests.verifier.rebuild.toy_release import failures, finding
from verifier.rebuild.source import read_source_tree

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed")

NAME = "zlib1g"


@dataclass
class Release:
    """A source tree with the builder of this one, a store, and an entry that names both."""

    root: Path

    @property
    def source(self) -> Path:
        return self.root / "source"

    @property
    def lock(self) -> Path:
        return self.source / "pipeline" / "image" / "inputs.lock"

    def locks(self, items: dict[Input, bytes], lock: Lock | None = None) -> None:
        """Lock and store ``items``, whatever they are."""
        store = Store(self.root / "store")
        for item, raw in items.items():
            store.add(item, [raw])
        self.lock.write_bytes(encode_lock(lock or lock_of(items)))

    def rebuild(self) -> Ran:
        tree = read_source_tree(self.source)
        digests = {
            "sourceSha256": tree.sha256.hex(),
            "lockSha256": sha256(tree.lock).hexdigest(),
        }
        path = self.root / "entry.json"
        path.write_bytes(entry(statement(build={"recipe": "reference", **digests})))
        policy = self.root / "guest-policy.json"
        policy.write_bytes(POLICY)
        given = ("--source", self.source, "--store", self.root / "store", "--offline")
        work = ("--work", self.root / "work", "--guest-policy", policy)
        return cvm_audit("release", "rebuild", path, *given, *work, "--json")


@pytest.fixture
def release(tmp_path: Path) -> Release:
    made = Release(tmp_path)
    for name in ("pipeline", "verifier"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, made.source / name, ignore=ignored)
    return made


def refused(ran: Ran, check: str) -> str:
    """What the finding of ``check`` got, in a verdict that is FAILED by it alone."""
    assert ran.code == 1, ran.out + ran.err
    assert check in failures(ran)
    return finding(ran, check)["got"]


def half_written(release: Release) -> list[str]:
    """Outputs of builds that failed."""
    return [path.name for path in (release.root / "work").glob("*/*out*")]


def test_whole_inputs_are_built(release: Release) -> None:
    release.locks(inputs())
    ran = release.rebuild()
    finding(ran, "rebuild.build", "pass")
    assert "rebuild.inputs" not in failures(ran)
    assert len(half_written(release)) == 2


BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    "cut off": (
        lambda: deb(NAME, packages()[NAME][1])[:-10],
        "zlib1g 1.0-1, data.tar.xz: ",
    ),
    "no package": (lambda: b"<!doctype html>", "(expected a Debian package)"),
    "a link out of the tree": (
        lambda: deb(
            NAME, packages()[NAME][1] | {"usr/lib/x86_64-linux-gnu/libz.so.1": "../../../../x"}
        ),
        "usr/lib/x86_64-linux-gnu/libz.so.1",
    ),
    "an absolute link": (
        lambda: deb(NAME, packages()[NAME][1] | {"usr/lib/x86_64-linux-gnu/libz.so.1": "/etc/x"}),
        "usr/lib/x86_64-linux-gnu/libz.so.1",
    ),
    "a newline in a name": (
        lambda: deb(NAME, packages()[NAME][1] | {"usr/lib/x86_64-linux-gnu/libz.so.1\n2": b"x"}),
        "libz.so.1\\",
    ),
    "another package": (lambda: deb("other", packages()[NAME][1]), "other 1.0-1 amd64"),
    "not what the recipe takes": (
        lambda: deb(NAME, {"usr/x": b""}),
        "zlib1g 1.0-1: nothing of that name",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_locked_package_that_is_broken(release: Release, kind: str) -> None:
    make, words = BROKEN[kind]
    release.locks(with_input(inputs(), NAME, make()))
    got = refused(release.rebuild(), "rebuild.build")
    assert got.startswith(("exit code 1: 'error: ", 'exit code 1: "error: '))
    assert words in got
    assert not half_written(release)


def test_a_package_that_was_cut_off_in_the_store(release: Release) -> None:
    made = inputs()
    release.locks(made)
    item = next(each for each in made if each.name == NAME)
    path = Store(release.root / "store").path(item)
    path.write_bytes(path.read_bytes()[:-10])
    ran = release.rebuild()
    assert refused(ran, "rebuild.inputs").startswith("sha256 ")
    assert finding(ran, "rebuild.inputs")["source"] == "zlib1g 1.0-1"


def test_two_versions_of_a_package(release: Release) -> None:
    made = inputs()
    lock = lock_of(made)
    twice = Lock(lock.suites, (*lock.inputs, lock.inputs[-1]))
    release.locks(made, twice)
    got = refused(release.rebuild(), "rebuild.lock")
    assert f"inputs.lock, {lock.inputs[-1].name}: two (expected one version)" in got


@pytest.mark.parametrize("name", ["a\nb.py", "bell\a.py", "café.py"])
def test_a_file_name_of_the_source_that_no_digest_has(release: Release, name: str) -> None:
    release.locks(inputs())
    ran = release.rebuild()
    (release.source / "pipeline" / name).write_text("")
    given = ("--source", release.source, "--store", release.root / "store", "--offline")
    policy = ("--guest-policy", release.root / "guest-policy.json")
    ran = cvm_audit("release", "rebuild", release.root / "entry.json", *given, *policy)
    assert ran.code == 1
    assert "source, path: " in ran.err
    assert "(expected a relative path of printable ASCII)" in ran.err
    assert ran.out == ""


def test_a_source_that_leads_out_of_its_tree(release: Release) -> None:
    release.locks(inputs())
    assert release.rebuild().code == 1
    (release.source / "pipeline" / "image" / "more").symlink_to(release.root)
    given = ("--source", release.source, "--store", release.root / "store", "--offline")
    policy = ("--guest-policy", release.root / "guest-policy.json")
    ran = cvm_audit("release", "rebuild", release.root / "entry.json", *given, *policy)
    assert ran.code == 1
    assert "source pipeline/image/more: a link or a special file (expected a file)" in ran.err


def test_a_kernel_module_that_is_cut_off(release: Release) -> None:
    name, (_, files) = next((n, p) for n, p in packages().items() if p[0] == "kernel")
    module = next(path for path in files if path.endswith(".ko.xz"))
    content = tar(files | {module: lzma.compress(b"module")[:-4]})
    made = with_input(inputs(), name, deb(name, {}, content=content))
    release.locks(made)
    got = refused(release.rebuild(), "rebuild.build")
    assert "one that is cut off" in got
    assert not half_written(release)


def test_a_changed_recipe_needs_another_lock(release: Release) -> None:
    made = {item: raw for item, raw in inputs().items() if item.name != NAME}
    release.locks(made)
    ran = release.rebuild()
    assert "inputs.lock, role userland" in refused(ran, "rebuild.build")
