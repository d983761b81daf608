import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from keys.errors import KeyNotFoundError, KeyStoreError, KeyUnavailableError
from keys.memory import MemoryKey, MemoryKeyStore
from keys.store import DigestAlgorithm, KeyKind, KeyStore, SigningKey
from tests.support.pki import Pki, private_key

_HASHES = {
    DigestAlgorithm.SHA256: hashes.SHA256(),
    DigestAlgorithm.SHA384: hashes.SHA384(),
    DigestAlgorithm.SHA512: hashes.SHA512(),
}


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


@pytest.mark.parametrize("digest", DigestAlgorithm)
def test_rsa_signature_is_pkcs1(pki: Pki, digest: DigestAlgorithm) -> None:
    key = pki.seal(key=private_key("RSA-2048"))
    public = key.certificate.public_key()
    assert key.kind is KeyKind.RSA
    assert isinstance(public, rsa.RSAPublicKey)
    signature = key.sign(b"letter", digest)
    public.verify(signature, b"letter", padding.PKCS1v15(), _HASHES[digest])
    with pytest.raises(InvalidSignature):
        public.verify(signature, b"another", padding.PKCS1v15(), _HASHES[digest])


@pytest.mark.parametrize("curve", ["P-256", "P-384"])
@pytest.mark.parametrize("digest", DigestAlgorithm)
def test_ecdsa_signature_is_der_and_deterministic(pki: Pki, curve: str, digest: DigestAlgorithm) -> None:
    key = pki.seal(key=private_key(curve))
    public = key.certificate.public_key()
    assert key.kind is KeyKind.EC
    assert isinstance(public, ec.EllipticCurvePublicKey)
    signature = key.sign(b"letter", digest)
    public.verify(signature, b"letter", ec.ECDSA(_HASHES[digest]))
    assert key.sign(b"letter", digest) == signature


def test_certificate_of_another_key_is_refused(pki: Pki) -> None:
    with pytest.raises(KeyStoreError, match="another key"):
        MemoryKey(private_key("P-256", 77), pki.root.certificate)


def test_key_that_cannot_sign_says_so(pki: Pki) -> None:
    small = pki.seal(key=private_key("RSA-1024"))
    small._private_key = _Unwilling()  # type: ignore[assignment]
    with pytest.raises(KeyUnavailableError, match="cannot sign"):
        small.sign(b"letter", DigestAlgorithm.SHA256)


class _Unwilling:
    def sign(self, *args: object) -> bytes:
        raise ValueError("not now")


def test_store_finds_by_label(pki: Pki) -> None:
    key = pki.seal()
    store: KeyStore = MemoryKeyStore({"b": key, "a": key})
    found: SigningKey = store.find("a")
    assert found is key
    assert store.labels() == ("a", "b")
    with pytest.raises(KeyNotFoundError, match="'c'"):
        store.find("c")


def test_repr_names_the_certificate_only(pki: Pki) -> None:
    assert repr(pki.root) == "MemoryKey('CN=Test root,O=Test,C=VN')"
