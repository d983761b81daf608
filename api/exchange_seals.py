"""The certificates of all seals that the exchange has had, kept in its home folder.

The file of a key is moved away when the exchange gets another, and an ordinary authority's certificate does not say
that it is an exchange's seal. What was sealed with the former key is known by these; they are public.
"""

from __future__ import annotations

import contextlib
from typing import Final
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.config import Settings
from keys.certificates import fingerprint, read_certificates
from keys.errors import CertificateFormatError, KeyStoreError
from keys.pkcs12 import sync_folder, write_private_file
from keys.trust import read_regular_file

FOLDER: Final = "exchange-seals"
_SUFFIX: Final = ".cer"


def keep_seal(settings: Settings, certificate: x509.Certificate) -> None:
    """Keep the certificate, if it is not there yet; in a home that cannot be written, when its owner starts next."""
    folder = settings.home / FOLDER
    path = folder / f"{fingerprint(certificate)}{_SUFFIX}"
    if path.exists():
        return
    written = folder / f"{uuid4()}.new"
    with contextlib.suppress(OSError, KeyStoreError):
        folder.mkdir(exist_ok=True)
        write_private_file(written, certificate.public_bytes(Encoding.DER))
        written.rename(path)
        sync_folder(folder)


def kept_seals(settings: Settings) -> frozenset[x509.Certificate]:
    """The certificates that were kept, and those that an operator put beside them: files ``*.cer``, DER or PEM.

    Raises:
        CertificateFormatError: a file cannot be read.
    """
    found: set[x509.Certificate] = set()
    for path in sorted((settings.home / FOLDER).glob(f"*{_SUFFIX}")):
        try:
            found.update(read_certificates(read_regular_file(path)))
        except (OSError, CertificateFormatError) as error:
            raise CertificateFormatError(f"the former seal {path} cannot be read: {error}") from error
    return frozenset(found)
