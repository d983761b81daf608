"""The certificates of the exchange's seals in its home folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.config import load_settings
from api.exchange_seals import FOLDER, keep_seal, kept_seals
from keys.errors import CertificateFormatError
from tests.support.pki import Pki, pem


def test_each_certificate_is_kept_once(tmp_path: Path) -> None:
    pki, settings = Pki(), load_settings(tmp_path)
    assert kept_seals(settings) == frozenset()
    seals = [pki.seal("H29.1").certificate, pki.seal("H29.2").certificate]
    for each in (*seals, *seals):
        keep_seal(settings, each)
    assert kept_seals(settings) == frozenset(seals)
    assert len(list((tmp_path / FOLDER).iterdir())) == 2


def test_what_an_operator_puts_beside_them_is_read(tmp_path: Path) -> None:
    certificate = Pki().seal("H29.1").certificate
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "former.cer").write_bytes(pem([certificate]))
    (tmp_path / FOLDER / "left-by-a-crash.new").write_bytes(b"")
    assert kept_seals(load_settings(tmp_path)) == frozenset({certificate})


def test_a_damaged_one_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "former.cer").write_bytes(b"x")
    with pytest.raises(CertificateFormatError, match=r"former\.cer"):
        kept_seals(load_settings(tmp_path))


def test_a_home_that_cannot_be_written_keeps_none(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_bytes(b"")
    keep_seal(load_settings(tmp_path), Pki().seal("H29.1").certificate)
    assert (tmp_path / FOLDER).read_bytes() == b""
