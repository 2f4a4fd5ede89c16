"""Folders of drives that are gone are removed, and nothing else is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from verifier.drive.leftovers import PREFIX, claimed, sweep


def folder(place: Path, name: str) -> Path:
    made = place / f"{PREFIX}{name}"
    made.mkdir()
    (made / "serial.log").write_text("last words")
    return made


def test_a_claim_holds_until_its_end(tmp_path: Path) -> None:
    made = folder(tmp_path, "one")
    with claimed(made):
        sweep(tmp_path)
        assert (made / "serial.log").exists()
    sweep(tmp_path)
    assert not made.exists()


def test_what_nobody_has_claimed_is_left(tmp_path: Path) -> None:
    # Another drive has made it this very moment, or it is of another program.
    made = folder(tmp_path, "new")
    sweep(tmp_path)
    assert (made / "serial.log").exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    with claimed(target):
        pass
    (tmp_path / f"{PREFIX}link").symlink_to(target)
    made = folder(tmp_path, "linked")
    (made / "claim").symlink_to(target / "claim")
    sweep(tmp_path)
    assert target.exists()
    assert made.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_what_is_of_another_user_is_left(tmp_path: Path) -> None:
    made = folder(tmp_path, "foreign")
    with claimed(made):
        pass
    os.chown(made, 65534, 65534)
    sweep(tmp_path)
    assert made.exists()
