"""What the reader of a file believes: anchors, CRLs and, where there is one, the exchange's trust list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509

from api.trust import ANCHORS, read_trust
from edoc.audit.model import AuditTrust
from keys.certificates import fingerprint, read_certificates, read_crls
from keys.errors import CertificateFormatError, NoTrustAnchorsError
from keys.trust import TrustAnchors
from signing.errors import TrustListError
from signing.trust_list import TrustedAs, read_trust_list

TRUST_LIST: Final = "trust-list.xml"
TRUST_LIST_AUTHORITY: Final = "trust-list-authority.pem"
"""The certificate of who signs the trust list; the reader vouches for it as for the anchors."""
_CRL_MARK: Final = b"-----BEGIN X509 CRL-----"

T = TypeVar("T")


def read_audit_trust(where: Path | None, at: datetime) -> AuditTrust:
    """The reader's trust: a folder as the exchange lays it out (``anchors/``, ``crls/``, ...), a plain folder of
    certificates and CRLs, or one PEM bundle.

    Raises:
        NoTrustAnchorsError: nothing is named, or nothing is there.
        CertificateFormatError: a file cannot be read; one bad file is never passed over.
        TrustListError: there is a trust list and it does not hold at that time.
    """
    if where is None:
        raise NoTrustAnchorsError("no folder of trust anchors was named (--trust or EDOC_TRUST_FOLDER)")
    if not where.exists():
        raise NoTrustAnchorsError(f"there is no {where}")
    if where.is_file():
        return _from_bundle(where)
    if (where / ANCHORS).is_dir():
        material = read_trust(where)
        return AuditTrust(material.anchors, material.revocation.crls, material.intermediates, _seals(where, at))
    crls = [crl for path in sorted(where.glob("*.crl")) for crl in _read(path, read_crls)]
    return AuditTrust(TrustAnchors.from_folder(where), tuple(crls), (), _seals(where, at))


def _from_bundle(path: Path) -> AuditTrust:
    anchors = TrustAnchors(_read(path, read_certificates))
    crls = _read(path, read_crls) if _CRL_MARK in path.read_bytes() else ()
    return AuditTrust(anchors, tuple(crls))


def _read(path: Path, read: Callable[[bytes], tuple[T, ...]]) -> tuple[T, ...]:
    try:
        return read(path.read_bytes())
    except CertificateFormatError as error:
        raise CertificateFormatError(f"{path} cannot be read: {error}") from error


def _seals(folder: Path, at: datetime) -> frozenset[str] | None:
    """The exchange's seals that the trust list names; None where there is no list."""
    path = folder / TRUST_LIST
    if not path.exists():
        return None
    trust_list = read_trust_list(path.read_bytes(), authority=_list_authority(folder), at=at)
    return frozenset(fingerprint(each) for each in trust_list.certificates(TrustedAs.EXCHANGE_SEAL, at))


def _list_authority(folder: Path) -> x509.Certificate:
    path = folder / TRUST_LIST_AUTHORITY
    if not path.exists():
        raise TrustListError(f"there is a {TRUST_LIST}, but no {TRUST_LIST_AUTHORITY} says who may sign it")
    return _read(path, read_certificates)[0]
