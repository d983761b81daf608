"""What the reader of a file believes: anchors, CRLs and, where there is one, the exchange's trust list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from api.trust import ANCHORS, TRUST_LIST_AUTHORITY, TrustMaterial, read_signed_trust_list, read_trust
from edoc.audit.model import AuditTrust
from keys.certificates import read_certificates, read_crls
from keys.errors import CertificateFormatError, NoTrustAnchorsError
from keys.trust import RevocationData, TrustAnchors, read_regular_file

_CRL_MARK: Final = b"-----BEGIN X509 CRL-----"

T = TypeVar("T")


def read_audit_trust(where: Path | None, now: datetime, named: datetime | None = None) -> AuditTrust:
    """The reader's trust: a folder as the exchange lays it out (``anchors/``, ``crls/``, ...), a plain folder of
    certificates and CRLs, or one PEM bundle.

    Raises:
        NoTrustAnchorsError: nothing is named, or nothing is there.
        CertificateFormatError: a file cannot be read; one bad file is never passed over.
        TrustListError: there is a trust list and it holds neither now nor at the time ``named``.
    """
    if where is None:
        raise NoTrustAnchorsError("no folder of trust anchors was named (--trust or EDOC_TRUST_FOLDER)")
    if not where.exists():
        raise NoTrustAnchorsError(f"there is no {where}")
    return _material(where).audit_trust(now, named)


def _material(where: Path) -> TrustMaterial:
    if where.is_file():
        anchors = TrustAnchors(_read(where, read_certificates))
        crls = _read(where, read_crls) if _CRL_MARK in where.read_bytes() else ()
        return TrustMaterial(anchors, (), RevocationData(crls))
    if (where / ANCHORS).is_dir():
        return read_trust(where)
    crls = tuple(crl for path in sorted(where.glob("*.crl")) for crl in _read(path, read_crls))
    # Who signs the list is no anchor, though the two lie side by side here.
    anchors = TrustAnchors.from_folder(where, but=TRUST_LIST_AUTHORITY)
    return TrustMaterial(anchors, (), RevocationData(crls), read_signed_trust_list(where))


def _read(path: Path, read: Callable[[bytes], tuple[T, ...]]) -> tuple[T, ...]:
    try:
        return read(read_regular_file(path))
    except CertificateFormatError as error:
        raise CertificateFormatError(f"{path} cannot be read: {error}") from error
