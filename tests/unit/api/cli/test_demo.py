"""What the demonstration must never do, and how a byte is changed."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path

import pytest

from api.cli.demo import stage as staging
from api.cli.demo.tampering import damaged_object, forge_copy
from api.cli.errors import CliError
from api.demonstration.agencies import demonstration_agencies
from tests.unit.api.cli.conftest import Edoc


def test_a_folder_with_something_else_is_left_alone(edoc: Edoc, tmp_path: Path) -> None:
    (tmp_path / "thesis.odt").write_text("years of work")
    result = edoc("demo", "--home", str(tmp_path), code=2)
    assert "--home" in result.stderr
    assert (tmp_path / "thesis.odt").read_text() == "years of work"


def test_only_an_earlier_demonstration_is_made_anew(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    staging.clear(root)
    (root / "old").touch()
    staging.clear(root)
    assert [path.name for path in root.iterdir()] == [staging.MARKER]
    assert root.stat().st_mode & 0o077 == 0
    link = tmp_path / "link"
    link.symlink_to(root)
    with pytest.raises(CliError):
        staging.clear(link)


def test_all_agencies_take_part_or_of_each_kind_a_few() -> None:
    entries = demonstration_agencies()
    assert len(staging.taking_part(entries, small=False)) == 369
    few = staging.taking_part(entries, small=True)
    kinds = Counter(each.kind for each in few)
    assert kinds == {"city": 1, "office": 1, "department": 3, "district": 3, "ward": 8}
    assert {staging.OFFICE, staging.HOME_AFFAIRS} <= {each.code for each in few}


def test_a_forged_copy_differs_in_one_byte_and_is_a_sound_zip(tmp_path: Path) -> None:
    export, copy = tmp_path / "a.zip", tmp_path / "b.zip"
    with zipfile.ZipFile(export, "w") as archive:
        archive.writestr("first", b"0123456789")
        archive.writestr("second", b"abcdef")
    changed = forge_copy(export, copy, "second")
    with zipfile.ZipFile(copy) as archive:
        assert archive.testzip() is None
        assert archive.read("first") == b"0123456789"
        assert archive.read("second") == b"abceef"
    assert (changed.offset, changed.before, changed.after) == (3, ord("d"), ord("e"))


def test_a_packed_file_cannot_be_forged_in_place(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", b"a" * 1000)
    with pytest.raises(ValueError, match="packed"):
        forge_copy(tmp_path / "a.zip", tmp_path / "b.zip", "x")


def test_a_damaged_object_is_put_back_even_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "objects" / "ab" / ("ab" + "0" * 62)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"abc")
    path.chmod(0o444)

    def fail_meanwhile() -> None:
        with damaged_object(tmp_path, path.name):
            assert path.read_bytes() == b"acc"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_meanwhile()
    assert path.read_bytes() == b"abc"
    assert path.stat().st_mode & 0o777 == 0o444
