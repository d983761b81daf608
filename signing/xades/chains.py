"""The order of the certificates that came with a signature."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509


def signer_first(certificates: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The certificates in their order, but those behind the others that issued one of them.

    KeyInfo has no order (XMLDSig section 4.5.4), so where nothing names the signer's certificate it is looked for so.
    """
    issuers = {each.issuer for each in certificates if each.issuer != each.subject}
    return tuple(sorted(certificates, key=lambda each: each.subject in issuers))
