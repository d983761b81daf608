"""Files that commands write."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cli.files import MAX_NAME_BYTES, check_new, new_file, replace_file, safe_name, write_new


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Giấy mời.pdf", "Giấy mời.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\win.ini", "win.ini"),
        ("/absolute", "absolute"),
        ("..", "file"),
        ("", "file"),
        (".bashrc", "bashrc"),
        ("--help", "help"),
        ("a\x00b\n.txt", "a_b_.txt"),
        ("gnp.\u202eexe", "gnp._exe"),
        ("CON.pdf", "file-CON.pdf"),
        ("a:b|c?.pdf", "a_b_c_.pdf"),
        ("trailing. ", "trailing"),
    ],
)
def test_a_name_from_outside_is_made_harmless(name: str, safe: str) -> None:
    assert safe_name(name, "file") == safe


@given(st.text())
def test_whatever_the_name_it_is_a_plain_file_in_the_folder(name: str) -> None:
    safe = safe_name(name, "file")
    assert Path(safe).name == safe
    assert not safe.startswith((".", "-"))
    assert len(safe.encode()) <= MAX_NAME_BYTES + len("file-")


def test_a_long_name_keeps_its_extension() -> None:
    assert safe_name("ộ" * 200 + ".pdf", "file").endswith("ộ.pdf")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_new(path, b"first")
    with pytest.raises(FileExistsError, match="not overwritten"):
        write_new(path, b"second")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "link", b"second")
    assert path.read_bytes() == b"first"
    assert {each.name for each in tmp_path.iterdir()} == {"a", "link"}


def test_without_links_in_the_file_system_a_file_appears_whole_and_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    path = tmp_path / "a"
    write_new(path, b"first")
    assert path.read_bytes() == b"first"
    with pytest.raises(FileExistsError), new_file(tmp_path / "b"):
        (tmp_path / "b").write_bytes(b"meanwhile")
    assert (tmp_path / "b").read_bytes() == b"meanwhile"
    assert {each.name for each in tmp_path.iterdir()} == {"a", "b"}


def test_whether_a_file_could_be_made_is_told_by_its_own_name_and_leaves_nothing(tmp_path: Path) -> None:
    check_new(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError) as raised:
        check_new(tmp_path / "none" / "a")
    assert raised.value.filename == str(tmp_path / "none" / "a")


def test_what_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a"

    def write_slowly() -> None:
        with new_file(path) as file:
            file.write(b"slow")
            path.write_bytes(b"quick")

    with pytest.raises(FileExistsError):
        write_slowly()
    assert path.read_bytes() == b"quick"


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:

    def fail_half_way() -> None:
        with new_file(tmp_path / "a") as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole_and_has_the_mode_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "crl"
    replace_file(path, b"old")
    replace_file(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
