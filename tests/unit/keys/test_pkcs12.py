import os
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from keys.errors import KeyNotFoundError, KeyStoreError
from keys.pkcs12 import MIN_KDF_ROUNDS, Pkcs12KeyStore, read_pkcs12, write_pkcs12
from keys.store import DigestAlgorithm, KeyStore
from tests.support.pki import Pki, of_unknown_version, private_key

PASSWORD = "mật khẩu".encode()


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


@pytest.fixture
def folder(tmp_path: Path, pki: Pki) -> Path:
    write_pkcs12(tmp_path / "seal.p12", pki.seal("H29.1"), PASSWORD, kdf_rounds=MIN_KDF_ROUNDS)
    return tmp_path


def store(folder: Path, password: bytes = PASSWORD) -> Pkcs12KeyStore:
    return Pkcs12KeyStore(folder, lambda _: password)


@pytest.mark.parametrize("kind", ["RSA-2048", "P-256", "P-384"])
def test_key_written_is_read_back_with_its_chain(tmp_path: Path, pki: Pki, kind: str) -> None:
    key = pki.seal(key=private_key(kind))
    write_pkcs12(tmp_path / "key.p12", key, PASSWORD, kdf_rounds=MIN_KDF_ROUNDS)
    found = store(tmp_path).find("key")
    assert (found.certificate, found.chain) == (key.certificate, (pki.issuing.certificate, pki.root.certificate))
    assert found.private_key.private_numbers() == key.private_key.private_numbers()
    assert found.sign(b"x", DigestAlgorithm.SHA256) == key.sign(b"x", DigestAlgorithm.SHA256)


def test_file_is_for_its_owner_only_whatever_the_umask(tmp_path: Path, pki: Pki) -> None:
    before = os.umask(0)
    try:
        write_pkcs12(tmp_path / "key.p12", pki.seal(), PASSWORD, kdf_rounds=MIN_KDF_ROUNDS)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key.p12").stat().st_mode) == 0o600


def test_key_is_opened_once(folder: Path) -> None:
    asked: list[str] = []

    def password(label: str) -> bytes:
        asked.append(label)
        return PASSWORD

    keys: KeyStore = Pkcs12KeyStore(folder, password)
    assert keys.find("seal") is keys.find("seal")
    assert asked == ["seal"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o601])
def test_file_that_others_can_get_at_is_refused(folder: Path, mode: int) -> None:
    (folder / "seal.p12").chmod(mode)
    with pytest.raises(KeyStoreError, match=f"mode {mode:04o}.*chmod 600"):
        store(folder).find("seal")


def test_wrong_password_is_told(folder: Path) -> None:
    with pytest.raises(KeyStoreError, match="password is wrong"):
        store(folder, b"another").find("seal")


def test_file_with_a_certificate_of_an_unknown_version_is_refused(
    folder: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(data: bytes, password: bytes) -> pkcs12.PKCS12KeyAndCertificates:
        x509.load_der_x509_certificate(of_unknown_version(pki.root.certificate))
        raise AssertionError("cryptography reads such certificates after all")

    monkeypatch.setattr("keys.pkcs12.pkcs12.load_pkcs12", load)
    with pytest.raises(KeyStoreError, match="damaged"):
        store(folder).find("seal")


def test_every_cut_of_a_file_is_refused(folder: Path) -> None:
    path = folder / "seal.p12"
    data = path.read_bytes()
    for length in (0, 1, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(KeyStoreError):
            store(folder).find("seal")


def test_huge_file_is_refused_before_it_is_decoded(folder: Path) -> None:
    os.truncate(folder / "seal.p12", 2 << 20)
    with pytest.raises(KeyStoreError, match="larger than"):
        store(folder).find("seal")


def test_symbolic_link_and_pipe_are_refused(folder: Path) -> None:
    (folder / "link.p12").symlink_to(folder / "seal.p12")
    os.mkfifo(folder / "pipe.p12", 0o600)
    for label in ("link", "pipe"):
        with pytest.raises(KeyStoreError):
            store(folder).find(label)


@pytest.mark.parametrize("label", ["absent", "", "../seal", "a/b", ".seal", "seal\0", "x" * 200])
def test_label_without_a_file_is_not_found(folder: Path, label: str) -> None:
    with pytest.raises(KeyNotFoundError):
        store(folder).find(label)


def test_labels_are_sorted_and_name_key_files_only(folder: Path) -> None:
    for name in ("z.p12", "a.p12", "notes.txt", ".hidden.p12"):
        (folder / name).touch()
    assert store(folder).labels() == ("a", "seal", "z")


def test_folder_that_is_absent_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError, match="cannot be read"):
        store(tmp_path / "absent").labels()


def test_existing_file_is_never_overwritten(folder: Path, pki: Pki) -> None:
    before = (folder / "seal.p12").read_bytes()
    with pytest.raises(KeyStoreError, match="exists already"):
        write_pkcs12(folder / "seal.p12", pki.seal(), PASSWORD, kdf_rounds=MIN_KDF_ROUNDS)
    assert (folder / "seal.p12").read_bytes() == before


def test_folder_to_write_to_that_is_absent_is_told(tmp_path: Path, pki: Pki) -> None:
    with pytest.raises(KeyStoreError, match="cannot be written"):
        write_pkcs12(tmp_path / "absent" / "k.p12", pki.seal(), PASSWORD, kdf_rounds=MIN_KDF_ROUNDS)


def test_failed_write_leaves_no_file(tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyStoreError, match="No space left"):
        write_pkcs12(tmp_path / "k.p12", pki.seal(), PASSWORD, kdf_rounds=MIN_KDF_ROUNDS)
    assert list(tmp_path.iterdir()) == []


def test_empty_password_and_few_rounds_are_refused(tmp_path: Path, pki: Pki) -> None:
    with pytest.raises(ValueError, match="password"):
        write_pkcs12(tmp_path / "k.p12", pki.seal(), b"")
    with pytest.raises(ValueError, match="rounds"):
        write_pkcs12(tmp_path / "k.p12", pki.seal(), PASSWORD, kdf_rounds=MIN_KDF_ROUNDS - 1)


def test_weak_key_in_a_file_is_refused(tmp_path: Path, pki: Pki) -> None:
    write_pkcs12(tmp_path / "weak.p12", pki.weak_rsa(), PASSWORD, kdf_rounds=MIN_KDF_ROUNDS)
    with pytest.raises(KeyStoreError, match="1024 bits"):
        read_pkcs12(tmp_path / "weak.p12", PASSWORD)


def test_file_without_certificate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bare.p12"
    data = pkcs12.serialize_key_and_certificates(
        b"bare", private_key("P-256"), None, None, BestAvailableEncryption(PASSWORD)
    )
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(KeyStoreError, match="with its certificate"):
        read_pkcs12(path, PASSWORD)
