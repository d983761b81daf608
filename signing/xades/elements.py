"""Reading the elements of a signature strictly by their schema: which children, in which order, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from lxml import etree

from keys.store import DigestAlgorithm
from signing.algorithms import digest_from_uri
from signing.errors import AlgorithmRefusedError
from signing.xades.errors import AlgorithmConstraintsError, SignatureFormatError

_MAX_NAMES: Final = 12
"""How many children a message names."""


def children_of(element: etree._Element) -> tuple[list[etree._Element], list[object]]:
    """The child nodes and their tags; the tag of a processing instruction is no string and equals no name."""
    children = element[:]
    return children, [child.tag for child in children]


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


def refuse_children(element: etree._Element, tags: Sequence[object]) -> NoReturn:
    """Raise :class:`SignatureFormatError`, naming what stands in the element."""
    names = ", ".join(map(_local_name, tags[:_MAX_NAMES])) or "nothing"
    raise SignatureFormatError(
        "signature.structure",
        f"{name_of(element)} contains {names}, which is not what the schema says",
        "write the signature as the schemas of XMLDSig and XAdES 1.3.2 say",
    )


def name_of(element: etree._Element) -> str:
    """The local name, for messages."""
    return _local_name(element.tag)


def _local_name(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else "a processing instruction"


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
