"""Namespaces and identifiers of XML signatures (XMLDSig 1.1, EN 319 132-1), each written down once."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

DS: Final = "http://www.w3.org/2000/09/xmldsig#"
"""XML Signature (XMLDSig section 1.3)."""
XADES132: Final = "http://uri.etsi.org/01903/v1.3.2#"
"""XAdES qualifying properties (EN 319 132-1 section 4.2)."""
EXC_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
"""Namespace of ``InclusiveNamespaces``, equal to the URI of exclusive canonicalization."""

NS: Final = MappingProxyType({"ds": DS, "xades132": XADES132})
"""The prefixes used when writing, and in XPath."""

SIGNED_PROPERTIES_TYPE: Final = "http://uri.etsi.org/01903#SignedProperties"
"""``Reference/@Type`` of the reference to the signed properties (EN 319 132-1 section 4.4.2)."""
ENVELOPED_TRANSFORM: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
"""Takes the signature itself out of the signed document (XMLDSig section 6.6.4)."""
BASE64_TRANSFORM: Final = "http://www.w3.org/2000/09/xmldsig#base64"
"""Decodes the text of an element (XMLDSig section 6.6.2)."""
