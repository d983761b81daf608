"""Reading the elements of a signature strictly by their schema: which children, in which order, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from lxml import etree

from keys.store import DigestAlgorithm
from signing.algorithms import digest_from_uri
from signing.errors import AlgorithmRefusedError
from signing.xades.errors import AlgorithmConstraintsError, SignatureFormatError


def children_of(element: etree._Element) -> tuple[list[etree._Element], list[str]]:
    """The child elements and their tags.

    Raises:
        SignatureFormatError: a processing instruction stands among them.
    """
    children = list(element)
    tags: list[str] = []
    for child in children:
        tag = child.tag
        if not isinstance(tag, str):
            refuse_children(element, ["a processing instruction"])
        tags.append(tag)
    return children, tags


def leaf_text(element: etree._Element) -> str:
    """The whole text of an element without children.

    Raises:
        SignatureFormatError: it has some.
    """
    require_leaf(element)
    return element.text or ""


def require_leaf(element: etree._Element) -> None:
    """Refuse children, a processing instruction in the text as well: ``.text`` would end before it."""
    if len(element):
        refuse_children(element, children_of(element)[1])


def refuse_children(element: etree._Element, tags: Sequence[str]) -> NoReturn:
    """Raise :class:`SignatureFormatError`, naming what stands in the element."""
    names = ", ".join(tag.rpartition("}")[2] for tag in tags[:12]) or "nothing"
    raise SignatureFormatError(
        "signature.structure",
        f"{name_of(element)} contains {names}, which is not what the schema says",
        "write the signature as the schemas of XMLDSig and XAdES 1.3.2 say",
    )


def name_of(element: etree._Element) -> str:
    """The local name, for messages."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else "a processing instruction"


def parse_digest_method(element: etree._Element, rule: str) -> DigestAlgorithm:
    """The digest that a ``DigestMethod`` names.

    Raises:
        AlgorithmConstraintsError: under ``rule``, it is not accepted.
    """
    try:
        algorithm = digest_from_uri(element.get("Algorithm", ""))
    except AlgorithmRefusedError as error:
        raise AlgorithmConstraintsError(rule, str(error), "digest with SHA-256, SHA-384 or SHA-512") from error
    require_leaf(element)
    return algorithm
