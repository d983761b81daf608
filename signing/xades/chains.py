"""The certificates that came with the signatures of a document, read without judging anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from lxml import etree

from signing.namespaces import DS
from signing.xades.certificates import read_certificate
from signing.xades.errors import VerificationError
from signing.xml import ParsedXml

_SIGNATURES: Final = etree.XPath("//ds:Signature", namespaces={"ds": DS})
_CERTIFICATES: Final = etree.XPath("ds:KeyInfo/ds:X509Data/ds:X509Certificate", namespaces={"ds": DS})


def embedded_certificates(document: ParsedXml) -> tuple[tuple[x509.Certificate, ...], ...]:
    """For each signature the certificates of its KeyInfo, as :func:`signer_first` has them.

    Those that cannot be read are left out.
    """
    return tuple(signer_first(_readable(signature)) for signature in _SIGNATURES(document.root))


def signer_first(certificates: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The certificates in their order, but those behind the others that issued one of them.

    KeyInfo has no order (XMLDSig section 4.5.4), so where nothing names the signer's certificate it is looked for so.
    """
    issuers = {each.issuer for each in certificates if each.issuer != each.subject}
    return tuple(sorted(certificates, key=lambda each: each.subject in issuers))


def _readable(signature: etree._Element) -> tuple[x509.Certificate, ...]:
    certificates = []
    for element in _CERTIFICATES(signature):
        try:
            certificates.append(read_certificate(element.text or "").certificate)
        except VerificationError:
            continue
    return tuple(certificates)
