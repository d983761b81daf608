"""What the references of a signature refer to, whether that is exactly what is expected, and its digests.

A reference counts only when it resolves to the very element object that the caller will go on to use. So an
element of the same name or the same content elsewhere in the document, wherever a wrapper has put it, is never
taken for the signed one. There is one index over every attribute that any reader could take for an id, and a value
that occurs twice is refused, so that no two readers can resolve a reference differently.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, NoReturn

from lxml import etree

from keys.store import DigestAlgorithm
from signing.errors import ContentError, SigningError, XmlError
from signing.parts import Base64Part, ElementPart, FilePart, Part
from signing.report import CoveredPart
from signing.xades.errors import (
    DigestMismatchError,
    SignatureConstraintsError,
    SignatureFormatError,
    SignedDataNotFoundError,
)
from signing.xades.structure import DEFAULT_CANONICALIZATION, Canonicalization, ParsedSignature, Reference
from signing.xml import ParsedXml

_ID_NAMES: Final = frozenset({"Id", "ID", "id", "iD"})
"""Local names of attributes that some reader takes for an id, in whatever namespace (``xml:id``, ``wsu:Id``)."""

_CID: Final = "cid:"

_HASHES: Final = {
    DigestAlgorithm.SHA256: hashlib.sha256,
    DigestAlgorithm.SHA384: hashlib.sha384,
    DigestAlgorithm.SHA512: hashlib.sha512,
}


class Resolved(NamedTuple):
    """A reference with what it refers to: a part, a part of the signature itself, or the whole document."""

    reference: Reference
    part: Part | None = None
    element: etree._Element | None = None
    """The element whose canonical form is digested; ``None`` for decoded contents, files and the document."""


@dataclass(frozen=True)
class IdIndex:
    """Every element of a document that has an id, by each of its ids."""

    by_id: Mapping[str, etree._Element]
    elements: Sequence[etree._Element]
    """All elements. Held, because lxml makes a new object for an element whenever nobody holds the last one."""


@dataclass
class _Matching:
    """The references matched so far."""

    elements: Mapping[etree._Element, ElementPart | Base64Part]
    files: Mapping[str, FilePart]
    ids: Mapping[str, etree._Element]
    resolved: list[Resolved] = field(default_factory=list)
    parts_seen: set[int] = field(default_factory=set)
    whole: bool = False
    properties: bool = False
    key_info: bool = False


def resolve_references(
    document: ParsedXml, ids: IdIndex, signature: ParsedSignature, expected: Sequence[Part]
) -> list[Resolved]:
    """Resolve every reference, and make sure that together they cover exactly the expected parts.

    Either each part is covered by one reference of its own, or the reference with the empty URI covers the whole
    document and with it all parts inside; then parts may be named once more.

    Raises:
        SignatureFormatError: a reference is not of an accepted form.
        SignedDataNotFoundError: a reference leads nowhere.
        SignatureConstraintsError: something else than expected is covered, or too little.
    """
    _check_place(document, signature)
    if not expected:
        raise SignatureConstraintsError(
            "coverage.expected", "nothing is expected to be signed, so that nothing can be verified", "name the parts"
        )
    matching = _Matching(
        elements={part.element: part for part in expected if not isinstance(part, FilePart)},
        files={part.uri: part for part in expected if isinstance(part, FilePart)},
        ids=ids.by_id,
    )
    for reference in signature.references:
        matching.resolved.append(_resolve(reference, signature, matching))
    _check_properties(signature, matching)
    _check_coverage(signature, expected, matching)
    return matching.resolved


def index_ids(root: etree._Element) -> IdIndex:
    """The index over every attribute that any reader could take for an id.

    Raises:
        SignatureFormatError: a value occurs twice, even on one element.
    """
    index: dict[str, etree._Element] = {}
    elements = list(root.iter())
    for element, names in [(element, names) for element in elements if (names := element.keys())]:
        for name in names:
            if name in _ID_NAMES or (name[0] == "{" and name.rpartition("}")[2] in _ID_NAMES):
                _index(index, element, element.get(name, ""))
    return IdIndex(index, elements)


def _index(index: dict[str, etree._Element], element: etree._Element, value: str) -> None:
    if not value:
        return  # names nothing, and no reference can mean it
    if value in index:
        raise SignatureFormatError(
            "id.duplicate", f'the id "{value}" occurs more than once', "give each element an id of its own"
        )
    index[value] = element


def check_digests(document: ParsedXml, signature: ParsedSignature, resolved: Sequence[Resolved]) -> None:
    """Compare the digest of everything referred to with the signed one (EN 319 102-1 section 5.2.7.4).

    Raises:
        DigestMismatchError: content is not what was signed.
        SignatureFormatError: content has no canonical form, or is not the base64 it should be.
        SignedDataNotFoundError: a file cannot be read.
    """
    for item in resolved:
        if _digest(document, signature, item) != item.reference.digest:
            raise DigestMismatchError(
                "reference.digest",
                f"{_describe(item)} is not what was signed: its digest is another one",
                "get the original from the signer again; do not use this copy",
            )


def covered_parts(resolved: Sequence[Resolved], expected: Sequence[Part]) -> tuple[CoveredPart, ...]:
    """The expected parts in their order, each with the reference that covers it."""
    own = {id(item.part): item.reference for item in resolved if item.part is not None}
    whole = next((item.reference for item in resolved if item.reference.enveloped), None)
    covered = []
    for part in expected:
        reference = own.get(id(part), whole)
        assert reference is not None, "coverage was checked"  # noqa: S101 - says why None is impossible
        covered.append(CoveredPart(part.label, reference.uri, reference.digest_algorithm.value, reference.digest))
    return tuple(covered)


def _check_place(document: ParsedXml, signature: ParsedSignature) -> None:
    if signature.element.getroottree().getroot() is not document.root:
        raise SignatureConstraintsError(
            "signature.document", "the signature does not stand in the document", "verify it with its own document"
        )


def _resolve(reference: Reference, signature: ParsedSignature, matching: _Matching) -> Resolved:
    uri = reference.uri
    if reference.signed_properties:
        return _resolve_properties(reference, signature, matching)
    if uri == "":
        return _resolve_document(reference, signature, matching)
    if uri[0] == "#":
        return _resolve_element(reference, signature, matching)
    if uri.startswith(_CID):
        return _resolve_content(reference, matching)
    return _resolve_file(reference, matching)


def _resolve_properties(reference: Reference, signature: ParsedSignature, matching: _Matching) -> Resolved:
    _require_nodes(reference)
    properties = signature.properties
    if properties is None or matching.properties or matching.ids.get(reference.uri[1:]) is not properties.element:
        _refuse_properties_reference(reference)
    if reference.uri[:1] != "#":
        _refuse_properties_reference(reference)
    matching.properties = True
    return Resolved(reference, element=properties.element)


def _refuse_properties_reference(reference: Reference) -> NoReturn:
    raise SignatureFormatError(
        "reference.signed_properties",
        f"{reference.name} should be the only one to this signature's own SignedProperties, and is not",
        "refer once to the SignedProperties inside this signature",
    )


def _resolve_document(reference: Reference, signature: ParsedSignature, matching: _Matching) -> Resolved:
    if not reference.enveloped:
        raise SignatureFormatError(
            "reference.enveloped",
            "the whole document is referred to without the enveloped transform, so that it cannot be verified",
            "put the enveloped-signature transform first",
        )
    if matching.whole:
        _refuse_doubled("the whole document")
    _check_enveloped_place(signature.element, matching)
    matching.whole = True
    return Resolved(reference)


def _check_enveloped_place(signature: etree._Element, matching: _Matching) -> None:
    """The enveloped transform takes the signature out wherever it stands: its own place is signed by nothing.

    Moved into ``<Subject>Finance</Subject>`` it would leave every digest right and the text, to most readers, ``Fin``.
    """
    parent, before = signature.getparent(), signature.getprevious()
    if parent is None:
        raise SignatureFormatError(
            "reference.enveloped", "the signature is the whole document", "put the signature into the document"
        )
    text_before = parent.text if before is None else before.tail
    inside = any(above in matching.elements and above.getparent() is not None for above in signature.iterancestors())
    if inside or (text_before or "").strip() or (signature.tail or "").strip():
        raise SignatureFormatError(
            "signature.place",
            "the signature of the whole document stands inside a text or a part that it covers",
            "put the signature among the elements of the document, outside its parts",
        )


def _resolve_element(reference: Reference, signature: ParsedSignature, matching: _Matching) -> Resolved:
    if "(" in reference.uri:
        raise SignatureFormatError(
            "reference.uri", f"{reference.name} uses XPointer, which is not accepted", "refer to elements by #id"
        )
    element = matching.ids.get(reference.uri[1:])
    if element is None:
        raise SignedDataNotFoundError(
            "reference.not_found", f"{reference.name} leads to no element", "send the document as it was signed"
        )
    if element is signature.key_info:
        return _resolve_key_info(reference, signature, matching)
    part = matching.elements.get(element)
    if part is None:
        raise SignatureConstraintsError(
            "reference.unexpected",
            f"{reference.name} leads to a {etree.QName(element).localname} that is not a part to be signed there",
            "sign exactly the parts of the message, each in its own place",
        )
    _see(part, matching)
    if isinstance(part, Base64Part):
        _check_label(part, reference, reference.uri[1:])
    if reference.base64:
        if not isinstance(part, Base64Part):
            raise SignatureFormatError(
                "reference.base64",
                f"{reference.name} decodes {part.label} from base64, although it is no encoded file",
                "canonicalize elements; use the base64 transform for encoded files only",
            )
        return Resolved(reference, part)
    _require_nodes(reference)
    return Resolved(reference, part, element)


def _resolve_key_info(reference: Reference, signature: ParsedSignature, matching: _Matching) -> Resolved:
    _require_nodes(reference)
    if matching.key_info:
        _refuse_doubled("KeyInfo")
    matching.key_info = True
    return Resolved(reference, element=signature.key_info)


def _resolve_content(reference: Reference, matching: _Matching) -> Resolved:
    """``cid:<Id>``: the decoded file of that attachment, the digest being over its bytes."""
    name = reference.uri[len(_CID) :]
    element = matching.ids.get(name)
    part = None if element is None else matching.elements.get(element)
    if part is None:
        named = [part for part in matching.elements.values() if part.label == name and isinstance(part, Base64Part)]
        # An id elsewhere with this name makes it unclear what the signer meant.
        part = named[0] if len(named) == 1 and element is None else None
    if not isinstance(part, Base64Part):
        raise SignedDataNotFoundError(
            "reference.not_found", f"{reference.name} leads to no attachment", "send the message as it was signed"
        )
    _require_bytes(reference)
    _check_label(part, reference, name)
    _see(part, matching)
    return Resolved(reference, part)


def _check_label(part: Base64Part, reference: Reference, name: str) -> None:
    """What a file is called is signed elsewhere, under its label: or else two files could change places."""
    if part.label != name:
        raise SignatureConstraintsError(
            "reference.label",
            f"{reference.name} leads to the content of {part.label}",
            "give each encoded content the Id by which the signed manifest calls it",
        )


def _resolve_file(reference: Reference, matching: _Matching) -> Resolved:
    part = matching.files.get(reference.uri)
    if part is None:
        raise SignatureFormatError(
            "reference.external_uri",
            f"{reference.name} leads out of the document, where nothing is read",
            "sign parts of the document, or files of the same container",
        )
    _require_bytes(reference)
    _see(part, matching)
    return Resolved(reference, part)


def _see(part: Part, matching: _Matching) -> None:
    if id(part) in matching.parts_seen:
        _refuse_doubled(part.label)
    matching.parts_seen.add(id(part))


def _refuse_doubled(label: str) -> NoReturn:
    raise SignatureConstraintsError(
        "reference.doubled", f"{label} is referred to more than once", "refer to each part exactly once"
    )


def _require_nodes(reference: Reference) -> None:
    """An element is canonicalized, and the signature is not taken out of it."""
    if reference.enveloped:
        raise SignatureFormatError(
            "reference.enveloped",
            f"{reference.name} has the enveloped transform, which is accepted for the whole document only",
            "leave the enveloped transform out, and keep the signature outside the signed parts",
        )
    if reference.base64:
        raise SignatureFormatError(
            "reference.base64", f"{reference.name} decodes base64 where an element is signed", "canonicalize elements"
        )


def _require_bytes(reference: Reference) -> None:
    if reference.enveloped or reference.base64 or reference.canonicalization is not None:
        raise SignatureFormatError(
            "reference.transforms",
            f"{reference.name} has transforms, although a file is signed as it is",
            "leave Transforms out for files",
        )


def _check_properties(signature: ParsedSignature, matching: _Matching) -> None:
    properties = signature.properties
    if properties is None:
        if not matching.whole:
            raise SignatureFormatError(
                "properties.missing",
                "the signature has no signed properties, so that it says neither when nor by whom it was made",
                "sign as XAdES B-B",
            )
        return
    if not matching.properties:
        raise SignatureFormatError(
            "properties.unsigned",
            "the signed properties are not signed: no reference leads to them",
            f"refer to SignedProperties, with the type {'http://uri.etsi.org/01903#SignedProperties'}",
        )
    if not properties.object_references:
        return
    known = {reference.id for reference in signature.references}
    for target in properties.object_references:
        if target not in known:
            raise SignatureFormatError(
                "properties.object_reference",
                f'a DataObjectFormat refers to "#{target}", which is no reference of this signature',
                "set ObjectReference to # and the Id of a Reference",
            )


def _check_coverage(signature: ParsedSignature, expected: Sequence[Part], matching: _Matching) -> None:
    for part in expected:
        if id(part) in matching.parts_seen:
            continue
        if matching.whole and not isinstance(part, FilePart) and _outside(part.element, signature.element):
            continue
        raise SignatureConstraintsError(
            "coverage.missing", f"{part.label} is not covered by the signature", f"sign {part.label} as well"
        )


def _outside(element: etree._Element, signature: etree._Element) -> bool:
    """Whether the whole document without the signature holds this element."""
    root = element.getroottree().getroot()
    inside = element is signature or signature in element.iterancestors()
    return root is signature.getroottree().getroot() and not inside


def _digest(document: ParsedXml, signature: ParsedSignature, item: Resolved) -> bytes:
    algorithm = item.reference.digest_algorithm
    try:
        if isinstance(item.part, FilePart):
            return item.part.content.digest(algorithm)
        if item.reference.enveloped:
            return _hash(_document_without(document, signature, item.reference), algorithm)
        if item.element is None:
            assert item.part is not None, "only the whole document has neither"  # noqa: S101 - says why
            return document.content(item.part.element).digest(algorithm.value)
        how = item.reference.canonicalization or DEFAULT_CANONICALIZATION
        return _hash(document.canonical_chunks(item.element, how.method, how.prefixes), algorithm)
    except XmlError as error:
        raise SignatureFormatError(error.rule, f"{_describe(item)}: {error.reason}", error.remedy) from error
    except ContentError as error:
        raise SignatureFormatError(
            "reference.content", f"{_describe(item)}: {error}", "write the file as strict base64"
        ) from error
    except SigningError as error:
        raise SignedDataNotFoundError(
            "reference.not_found", f"{_describe(item)} cannot be read: {error}", "send the files as they were signed"
        ) from error


def _hash(chunks: Iterator[bytes], algorithm: DigestAlgorithm) -> bytes:
    digest = _HASHES[algorithm]()
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()


def _document_without(document: ParsedXml, signature: ParsedSignature, reference: Reference) -> Iterator[bytes]:
    """The octets of the document after the enveloped transform, which removes this one signature (section 6.6.4).

    Works on a copy: taking an element out of a tree and putting it back lets libxml2 move namespace declarations.
    """
    how: Canonicalization = reference.canonicalization or DEFAULT_CANONICALIZATION
    root, enveloped = _copy_with(document.root, signature.element)
    _remove(enveloped)
    yield from (_instruction(node) + b"\n" for node in reversed(list(document.root.itersiblings(preceding=True))))
    yield from document.canonical_chunks(root, how.method, how.prefixes)
    yield from (b"\n" + _instruction(node) for node in document.root.itersiblings())


def _instruction(node: etree._Element) -> bytes:
    """The canonical form of a processing instruction outside the root element (Canonical XML section 2.3)."""
    return etree.tostring(node, encoding="UTF-8", with_tail=False)


def _copy_with(root: etree._Element, element: etree._Element) -> tuple[etree._Element, etree._Element]:
    """A copy of the tree, and the copy of one element in it."""
    steps = []
    parent = element.getparent()
    while parent is not None:
        steps.append(parent.index(element))
        element, parent = parent, parent.getparent()
    twin = copied = copy.deepcopy(root)
    for step in reversed(steps):
        twin = twin[step]
    return copied, twin


def _remove(element: etree._Element) -> None:
    """Take an element out of its tree and leave the text behind it in place."""
    parent = element.getparent()
    assert parent is not None, "a signature that is the whole document was refused"  # noqa: S101 - says why
    before = element.getprevious()
    if element.tail and before is not None:
        before.tail = (before.tail or "") + element.tail
    elif element.tail:
        parent.text = (parent.text or "") + element.tail
    parent.remove(element)


def _describe(item: Resolved) -> str:
    if item.part is not None:
        return item.part.label
    return "the document" if item.element is None else etree.QName(item.element).localname
