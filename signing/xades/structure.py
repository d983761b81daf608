"""Reading a ``ds:Signature`` into values, by the schema and by closed lists (EN 319 102-1 section 5.2.2).

What is not on a list is refused, by name where it has one: nothing that was signed is skipped because it is not
understood. Children come exactly as in the schema of XMLDSig, in their order, none twice.

Left out, and refused: manifests, objects other than qualifying properties, keys without a certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, NoReturn

from lxml import etree

from keys.store import DigestAlgorithm
from signing.algorithms import SignatureAlgorithm
from signing.errors import AlgorithmRefusedError
from signing.namespaces import BASE64_TRANSFORM, DS, ENVELOPED_TRANSFORM, EXC_C14N, SIGNED_PROPERTIES_TYPE
from signing.xades.certificates import KeyCertificate, decode_base64, read_certificate
from signing.xades.elements import children_of, leaf_text, name_of, parse_digest_method, refuse_children, require_leaf
from signing.xades.errors import AlgorithmConstraintsError, SignatureFormatError, SigningCertificateNotFoundError
from signing.xades.properties import QUALIFYING_PROPERTIES, SignedProperties, parse_qualifying_properties
from signing.xml import CanonicalizationMethod

_D: Final = "{" + DS + "}"

SIGNATURE: Final = _D + "Signature"
SIGNATURE_VALUE: Final = _D + "SignatureValue"
X509_CERTIFICATE: Final = _D + "X509Certificate"

_SIGNED_INFO: Final = _D + "SignedInfo"
_KEY_INFO: Final = _D + "KeyInfo"
_OBJECT: Final = _D + "Object"
_CANONICALIZATION_METHOD: Final = _D + "CanonicalizationMethod"
_SIGNATURE_METHOD: Final = _D + "SignatureMethod"
_REFERENCE: Final = _D + "Reference"
_TRANSFORMS: Final = _D + "Transforms"
_TRANSFORM: Final = _D + "Transform"
_DIGEST_METHOD: Final = _D + "DigestMethod"
_DIGEST_VALUE: Final = _D + "DigestValue"
_X509_DATA: Final = _D + "X509Data"
MAX_PREFIXES: Final = 16
_INCLUSIVE_NAMESPACES: Final = "{" + EXC_C14N + "}InclusiveNamespaces"
_KEY_HINTS: Final = frozenset({_D + "KeyName", _D + "KeyValue"})
"""May stand beside ``X509Data`` and are not used: the key is the one of the certificate."""
_X509_HINTS: Final = frozenset({_D + "X509SubjectName", _D + "X509IssuerSerial", _D + "X509SKI", _D + "X509CRL"})
"""May stand beside the certificates and are not used: nothing vouches for them."""

_MAX_CERTIFICATES: Final = 9
"""The signer's and as many more as ``keys.trust`` looks at."""


@dataclass(frozen=True)
class Canonicalization:
    """A canonicalization method with the prefixes of its ``InclusiveNamespaces``."""

    method: CanonicalizationMethod
    prefixes: tuple[str, ...] = ()


_CANONICALIZATIONS: Final = {method.value: Canonicalization(method) for method in CanonicalizationMethod}

DEFAULT_CANONICALIZATION: Final = Canonicalization(CanonicalizationMethod.INCLUSIVE)
"""What turns nodes into octets where no transform says how (XMLDSig section 4.4.3.2)."""


class Reference(NamedTuple):
    """One ``ds:Reference``. Its transforms are one of: none, C14N, enveloped, enveloped and C14N, base64.

    A tuple, as there are many in each message and a frozen dataclass takes four times as long to make.
    """

    id: str | None
    uri: str
    signed_properties: bool
    """Whether its ``Type`` says that it refers to the signed properties."""
    enveloped: bool
    base64: bool
    canonicalization: Canonicalization | None
    digest_algorithm: DigestAlgorithm
    digest: bytes

    @property
    def name(self) -> str:
        """How messages call it."""
        return f'reference "{self.uri}"'


@dataclass(frozen=True)
class ParsedSignature:
    """A ``ds:Signature`` whose every part is of a known kind."""

    element: etree._Element
    id: str | None
    signed_info: etree._Element
    canonicalization: Canonicalization
    algorithm: SignatureAlgorithm
    references: tuple[Reference, ...]
    value: bytes
    key_info: etree._Element
    certificates: tuple[KeyCertificate, ...]
    """At least one, in document order."""
    properties: SignedProperties | None


def parse_signature(element: etree._Element) -> ParsedSignature:
    """The values of a ``ds:Signature``.

    Raises:
        VerificationError: something is missing, doubled, misplaced, unknown, or refused.
    """
    if element.tag != SIGNATURE:
        raise SignatureFormatError(
            "signature.namespace", f"{name_of(element)} is not an XML signature", f"write Signature in namespace {DS}"
        )
    children, tags = children_of(element)
    if tags[:3] != [_SIGNED_INFO, SIGNATURE_VALUE, _KEY_INFO] or any(tag != _OBJECT for tag in tags[3:]):
        refuse_children(element, tags)
    canonicalization, algorithm, references = _parse_signed_info(children[0])
    signature_id = element.get("Id")
    return ParsedSignature(
        element=element,
        id=signature_id,
        signed_info=children[0],
        canonicalization=canonicalization,
        algorithm=algorithm,
        references=references,
        value=decode_base64(leaf_text(children[1]), "signature.base64", "SignatureValue"),
        key_info=children[2],
        certificates=_parse_key_info(children[2]),
        properties=_parse_objects(children[3:], signature_id),
    )


def _parse_signed_info(
    element: etree._Element,
) -> tuple[Canonicalization, SignatureAlgorithm, tuple[Reference, ...]]:
    children, tags = children_of(element)
    if tags[:3] != [_CANONICALIZATION_METHOD, _SIGNATURE_METHOD, _REFERENCE] or tags.count(_REFERENCE) != len(tags) - 2:
        refuse_children(element, tags)
    canonicalization = _parse_canonicalization(children[0])
    if canonicalization is None:
        raise SignatureFormatError(
            "signature.canonicalization",
            f"SignedInfo is canonicalized with {children[0].get('Algorithm')}, which is not accepted",
            f"use {EXC_C14N}",
        )
    algorithm = _parse_signature_method(children[1])
    return canonicalization, algorithm, tuple([_parse_reference(child) for child in children[2:]])


def _parse_signature_method(element: etree._Element) -> SignatureAlgorithm:
    try:
        algorithm = SignatureAlgorithm.from_uri(element.get("Algorithm", ""))
    except AlgorithmRefusedError as error:
        raise AlgorithmConstraintsError(
            "signature.method", str(error), "sign with RSA or ECDSA over SHA-256, SHA-384 or SHA-512"
        ) from error
    require_leaf(element)
    return algorithm


def _parse_canonicalization(element: etree._Element) -> Canonicalization | None:
    """The method that a ``CanonicalizationMethod`` or ``Transform`` names, ``None`` when it is none of ours."""
    plain = _CANONICALIZATIONS.get(element.get("Algorithm", ""))
    if plain is None or not len(element):
        return plain
    method = plain.method
    children, tags = children_of(element)
    if method is not CanonicalizationMethod.EXCLUSIVE or tags != [_INCLUSIVE_NAMESPACES]:
        refuse_children(element, tags)
    require_leaf(children[0])
    prefixes = tuple(children[0].get("PrefixList", "").split())
    if len(prefixes) > MAX_PREFIXES:
        raise SignatureFormatError(
            "reference.prefix_list",
            f"the PrefixList of an InclusiveNamespaces has more than {MAX_PREFIXES} prefixes",
            "leave InclusiveNamespaces out",
        )
    if "#default" in prefixes:
        # libxml2 behind lxml leaves the default namespace out silently, so the octets would be other ones.
        raise SignatureFormatError(
            "reference.prefix_list",
            "the PrefixList of an InclusiveNamespaces has #default, which cannot be honoured",
            "declare the namespaces needed inside the signed element, and leave InclusiveNamespaces out",
        )
    return Canonicalization(method, prefixes)


def _parse_reference(element: etree._Element) -> Reference:
    children, tags = children_of(element)
    transforms: Sequence[etree._Element] = ()
    if tags == [_TRANSFORMS, _DIGEST_METHOD, _DIGEST_VALUE]:
        transforms = _parse_transforms(children.pop(0))
    elif tags != [_DIGEST_METHOD, _DIGEST_VALUE]:
        refuse_children(element, tags)
    uri = element.get("URI")
    if uri is None:
        raise SignatureFormatError(
            "reference.uri", "a reference has no URI, so that it names nothing", "give each reference a URI"
        )
    enveloped, base64, canonicalization = _read_transforms(transforms, uri)
    return Reference(
        id=element.get("Id"),
        uri=uri,
        signed_properties=_refers_to_properties(element.get("Type"), uri),
        enveloped=enveloped,
        base64=base64,
        canonicalization=canonicalization,
        digest_algorithm=parse_digest_method(children[0], "reference.digest_method"),
        digest=decode_base64(leaf_text(children[1]), "reference.digest_value", f'DigestValue of "{uri}"'),
    )


def _refers_to_properties(reference_type: str | None, uri: str) -> bool:
    if reference_type is None:
        return False
    if reference_type != SIGNED_PROPERTIES_TYPE:
        raise SignatureFormatError(
            "reference.type",
            f'reference "{uri}" has the type {reference_type}, which is not accepted',
            "refer to the signed content itself, not to a manifest or an object",
        )
    return True


def _parse_transforms(element: etree._Element) -> list[etree._Element]:
    children, tags = children_of(element)
    if not tags or tags.count(_TRANSFORM) != len(tags):
        refuse_children(element, tags)
    return children


def _read_transforms(transforms: Sequence[etree._Element], uri: str) -> tuple[bool, bool, Canonicalization | None]:
    """Whether there are the enveloped and the base64 transform, and the canonicalization."""
    if len(transforms) == 1 and not len(transforms[0]):
        usual = _SINGLE_TRANSFORMS.get(transforms[0].get("Algorithm", ""))
        if usual is not None:
            return usual
    kinds = ""
    canonicalization = None
    for transform in transforms:
        algorithm = transform.get("Algorithm", "")
        if algorithm in (ENVELOPED_TRANSFORM, BASE64_TRANSFORM):
            require_leaf(transform)
            kinds += "E" if algorithm == ENVELOPED_TRANSFORM else "B"
            continue
        canonicalization = _parse_canonicalization(transform)
        if canonicalization is None:
            raise SignatureFormatError(
                "reference.transform",
                f'reference "{uri}" has the transform {algorithm or "(none)"}, which is not accepted',
                f"use {EXC_C14N} for elements and {BASE64_TRANSFORM} for base64 texts",
            )
        kinds += "C"
    if kinds not in _TRANSFORM_SEQUENCES:
        raise SignatureFormatError(
            "reference.transforms",
            f'reference "{uri}" puts transforms together in a way that is not accepted',
            "use one canonicalization, after the enveloped transform if there is one, or base64 alone",
        )
    return "E" in kinds, "B" in kinds, canonicalization


_SINGLE_TRANSFORMS: Final[dict[str, tuple[bool, bool, Canonicalization | None]]] = {
    ENVELOPED_TRANSFORM: (True, False, None),
    BASE64_TRANSFORM: (False, True, None),
    **{uri: (False, False, plain) for uri, plain in _CANONICALIZATIONS.items()},
}
"""The answer for a transform that stands alone and has no parameters, as almost all do."""
_TRANSFORM_SEQUENCES: Final = frozenset({"", "C", "E", "EC", "B"})


def _parse_key_info(element: etree._Element) -> tuple[KeyCertificate, ...]:
    texts: list[str] = []
    for child in element:
        if child.tag == _X509_DATA:
            texts += _certificate_texts(child)
        elif child.tag not in _KEY_HINTS:
            _refuse_key_info(child)
    if not texts:
        raise SigningCertificateNotFoundError(
            "key_info.certificate_missing",
            "KeyInfo has no certificate; a bare key names nobody",
            "put the signing certificate into KeyInfo/X509Data/X509Certificate",
        )
    if len(texts) > _MAX_CERTIFICATES:
        raise SignatureFormatError(
            "key_info.certificates", f"KeyInfo has more than {_MAX_CERTIFICATES} certificates", "send one chain only"
        )
    return tuple([read_certificate(text) for text in texts])


def _certificate_texts(element: etree._Element) -> list[str]:
    texts = []
    for child in element:
        if child.tag == X509_CERTIFICATE:
            texts.append(leaf_text(child))
        elif child.tag not in _X509_HINTS:
            _refuse_key_info(child)
    return texts


def _refuse_key_info(element: etree._Element) -> NoReturn:
    raise SignatureFormatError(
        "key_info.structure",
        f"{name_of(element)} in KeyInfo is not accepted",
        "put the signing certificate and its chain into KeyInfo/X509Data, and nothing else",
    )


def _parse_objects(objects: Sequence[etree._Element], signature_id: str | None) -> SignedProperties | None:
    found = [child for element in objects for child in children_of(element)[0]]
    for child in found:
        if child.tag != QUALIFYING_PROPERTIES:
            raise SignatureFormatError(
                "signature.object",
                f"{name_of(child)} inside the signature's Object is not accepted",
                "put signed content into the document, and only QualifyingProperties into the signature",
            )
    if len(found) > 1:
        raise SignatureFormatError(
            "properties.doubled", "the signature has more than one QualifyingProperties", "write exactly one"
        )
    if len(found) != len(objects):
        raise SignatureFormatError("signature.object", "the signature has an empty Object", "leave the Object out")
    return parse_qualifying_properties(found[0], signature_id) if found else None
