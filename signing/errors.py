"""The error tree of ``signing``: every exception this folder raises descends from :class:`SigningError`."""

from __future__ import annotations


class SigningError(Exception):
    """Base of all errors raised by ``signing``."""


class XmlError(SigningError):
    """A file cannot be read as the XML this project accepts.

    ``rule`` is a stable, dotted name of the rule that was broken (``xml.doctype``); ``remedy`` says what
    the sender can do about it.
    """

    def __init__(self, rule: str, reason: str, remedy: str) -> None:
        super().__init__(f"{reason} ({rule}): {remedy}")
        self.rule, self.reason, self.remedy = rule, reason, remedy


class XmlLimitError(XmlError):
    """A file is larger, deeper or has more nodes than the limits allow."""


class ContentError(SigningError):
    """The text of an element is not strict base64 (RFC 4648 section 4, whitespace between characters allowed)."""


class AlgorithmRefusedError(SigningError):
    """An algorithm is not accepted: ``name`` is what it is called (its URI where it is unknown), ``why`` the reason."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} is refused: {why}")
        self.name, self.why = name, why


class SignatureCreationError(SigningError):
    """A signature cannot be made: a part has no usable Id, or the key and the algorithm do not fit."""


class ContainerError(SigningError):
    """An ASiC-E container breaks EN 319 162-1 or the limits set for reading one."""


class ContainerLimitError(ContainerError):
    """An ASiC-E container has more files than are read here; whoever reads more may find it good."""


class TrustListError(SigningError):
    """A trust list cannot be read, or its signature is not the one expected."""
