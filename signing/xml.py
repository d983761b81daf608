"""Reading XML from outside: one hardened parse, canonical forms and base64 contents that never sit in memory whole.

A message may carry hundreds of megabytes of base64 in one text node. libxml2 would hold such a text several
times over, so :func:`parse` first cuts every long run of base64 characters out of the byte stream and puts a
short marker in its place. What is left, the *skeleton*, is the whole document but for those runs, and is parsed
once by lxml. A run consists of base64 characters and whitespace alone, so no parser could read markup in it, and
a marker must come back as the entire text of one element, so nothing can hide behind a cut.
:func:`canonicalize` and :class:`Base64Content` put the run back while they stream.

Rules: UTF-8 only; no document type, no entities, no network, no XInclude; comments are dropped at parse time
(every canonicalization method accepted here omits them), so that ``Fin<!-- -->ance`` is read as the text that was
signed. Limits come as an :class:`XmlLimits`.

Implements Canonical XML 1.0, 1.1 and Exclusive XML Canonicalization 1.0, each without comments.
"""

from __future__ import annotations

import binascii
import functools
import hashlib
import io
import itertools
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

import pybase64
from lxml import etree

from signing.errors import ContentError, XmlError, XmlLimitError

CHUNK_BYTES: Final = 1 << 20

_BASE64_AND_SPACE: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n"
_SPACE: Final = b" \t\r\n"
_RUN: Final = re.compile(rb"[A-Za-z0-9+/= \t\r\n]*")
_CDATA: Final = b"<![CDATA["
_NAME: Final = re.compile(
    rb"""<[/?]?(?P<element>[^\s/>?!<]+)
    |\s(?P<attribute>[^\s=<>"\']+)\s*=\s*(?:"(?P<double>[^"<]*)"|\'(?P<single>[^\'<]*)\')?
    """,
    re.VERBOSE,
)
"""The name of an element or instruction, or of an attribute with its value; also words before ``=`` in a text. No text
makes it go over the same bytes again and again."""
_DECLARED_ENCODING: Final = re.compile(rb"""\A<\?xml[^>]*?encoding\s*=\s*["']([^"'>]*)["']""")
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF8_NAMES: Final = frozenset({b"utf-8", b"utf8", b"us-ascii", b"ascii"})
_XML_NAMESPACE: Final = "http://www.w3.org/XML/1998/namespace"
_MARKER_LENGTH: Final = 32
"""A multiple of four: a marker is itself well-formed base64, so that a schema type still fits."""
_PREFIX_LENGTH: Final = 16
_PREFIX: Final = re.compile(rb"edocRun([0-9]{9})")


class ByteSource(Protocol):
    """Bytes that can be read again and again from any place, such as a file or a block of memory."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to ``stop``, fewer where the source ends before."""

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from ``start`` up to ``stop`` in pieces of at most :data:`CHUNK_BYTES`."""


@dataclass(frozen=True)
class MemorySource:
    """A :class:`ByteSource` over bytes in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to ``stop``."""
        return self.data[start:stop]

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from ``start`` up to ``stop``."""
        for at in range(start, stop, CHUNK_BYTES):
            yield self.data[at : min(at + CHUNK_BYTES, stop)]


@dataclass(frozen=True)
class FileSource:
    """A :class:`ByteSource` over a file that does not change while it is read."""

    path: Path
    size: int

    @classmethod
    def of(cls, path: Path) -> FileSource:
        """The source over the file at ``path`` as it is now."""
        return cls(path, path.stat().st_size)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to ``stop``."""
        return b"".join(self.chunks(start, stop))

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from ``start`` up to ``stop``."""
        with self.path.open("rb") as file:
            file.seek(start)
            left = stop - start
            while left > 0 and (data := file.read(min(CHUNK_BYTES, left))):
                left -= len(data)
                yield data


@dataclass(frozen=True)
class XmlLimits:
    """What a document may cost. Sizes are in bytes."""

    max_bytes: int = 416 << 20
    """Size of the whole file."""
    max_skeleton_bytes: int = 4 << 20
    """Size of the file without its long base64 runs."""
    max_nodes: int = 200_000
    """Number of ``<`` in the skeleton, an upper bound of its elements."""
    max_attributes: int = 200_000
    """Number of ``=`` in the skeleton, an upper bound of its attributes."""
    max_attributes_of_one: int = 64
    """Number of attributes of one element: canonicalization sorts them in a time that grows with the square."""
    max_namespaces: int = 4_000
    """Number of namespace declarations."""
    max_namespaces_in_scope: int = 32
    """Number of them that hold at one element."""
    max_depth: int = 64
    """Depth of nested elements."""
    max_name_bytes: int = 64 << 10
    """Length of all different names and namespaces together. The parser keeps each for as long as the thread lives."""
    externalize_from: int = 32 << 10
    """A run of base64 characters of at least this length is cut out of the skeleton."""


class RawContent(Protocol):
    """Bytes that a document being made carries as base64, such as a file that nobody wants in memory."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; can be called again."""

    def digest(self, algorithm: str = "sha256") -> bytes:
        """The digest of the bytes, by ``hashlib`` name."""


class _ExternalText(Protocol):
    """A text of base64 that a marker in the tree stands for."""

    def text_chunks(self) -> Iterator[bytes]:
        """Yield the text as it is written out."""

    def content(self) -> Base64Content:
        """What the text encodes."""


@dataclass(frozen=True)
class _Run:
    """Where a run that was cut out stands in the source."""

    source: ByteSource
    start: int
    stop: int

    def text_chunks(self) -> Iterator[bytes]:
        return _normalized_lines(self.source.chunks(self.start, self.stop))

    def content(self) -> Base64Content:
        return Base64Content(self.source, self.start, self.stop)


@dataclass(frozen=True)
class _EncodedRun:
    """A run that is made while it is written, from the bytes that it encodes."""

    raw: RawContent

    def text_chunks(self) -> Iterator[bytes]:
        rest = b""
        for chunk in self.raw.chunks():
            data = rest + chunk
            usable = len(data) - len(data) % 3
            rest = data[usable:]
            if usable:
                yield pybase64.b64encode(data[:usable])
        if rest:
            yield pybase64.b64encode(rest)

    def content(self) -> Base64Content:
        return _RawBase64(self.raw)


class CanonicalizationMethod(Enum):
    """The canonicalization methods accepted, by their URI; variants that keep comments are not."""

    EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
    INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
    INCLUSIVE_11 = "http://www.w3.org/2006/12/xml-c14n11"


class ParsedXml:
    """A document after its one parse: the tree, the bytes it came from, and the runs that were cut out."""

    def __init__(self, root: etree._Element, source: ByteSource, runs: Mapping[str, _ExternalText]) -> None:
        self.root = root
        self.source = source
        self._runs = runs
        self._contents: dict[etree._Element, Base64Content] = {}

    @property
    def markers(self) -> Collection[str]:
        """The texts in the tree that stand for a run: who reads a text for itself must refuse these."""
        return self._runs.keys()

    def content(self, element: etree._Element) -> Base64Content:
        """The base64 content of ``element``; the same object each time, so that it is digested once."""
        known = self._contents.get(element)
        if known is None:
            known = self._contents[element] = self._read_content(element)
        return known

    def _read_content(self, element: etree._Element) -> Base64Content:
        if len(element):
            raise ContentError(f"{etree.QName(element).localname} holds other elements where base64 is expected")
        text = element.text or ""
        run = self._runs.get(text)
        if run is None:
            data = text.encode()
            return Base64Content(MemorySource(data), 0, len(data))
        return run.content()

    def with_contents(self, contents: Mapping[etree._Element, RawContent], inline_below: int) -> ParsedXml:
        """The same tree with each content as the base64 text of its element, which was empty.

        Contents that take fewer than ``inline_below`` characters are put into the tree; the others stay where they
        lie, are encoded whenever the document is written or canonicalized, and are never held as a whole.
        """
        prefix = _unused_prefix(etree.tostring(self.root, encoding="UTF-8"))
        runs: dict[str, _ExternalText] = dict(self._runs)
        for number, (element, raw) in enumerate(contents.items()):
            run = _EncodedRun(raw)
            if (raw.size + 2) // 3 * 4 < inline_below:
                element.text = b"".join(run.text_chunks()).decode()
            else:
                element.text = f"{prefix}{number:0{_MARKER_LENGTH - len(prefix)}d}"
                runs[element.text] = run
        return ParsedXml(self.root, self.source, runs)

    def canonical_chunks(
        self,
        element: etree._Element,
        method: CanonicalizationMethod,
        inclusive_prefixes: Sequence[str] = (),
    ) -> Iterator[bytes]:
        """Yield the canonical octets of ``element`` with every run put back in its place."""
        skeleton = canonicalize(element, method, inclusive_prefixes)
        if not self._runs:
            yield skeleton
            return
        yield from self._with_runs(skeleton)

    def _with_runs(self, skeleton: bytes) -> Iterator[bytes]:
        found = sorted((at, marker) for marker in self._runs if (at := skeleton.find(marker.encode())) >= 0)
        done = 0
        for at, marker in found:
            yield skeleton[done:at]
            yield from self._runs[marker].text_chunks()
            done = at + _MARKER_LENGTH
        yield skeleton[done:]

    def encoded_chunks(self) -> Iterator[bytes]:
        """Yield the document written out again (UTF-8, with an XML declaration), every run put back."""
        skeleton = etree.tostring(self.root.getroottree(), encoding="UTF-8", xml_declaration=True)
        yield from self._with_runs(skeleton)


@dataclass
class Base64Content:
    """The decoded form of one base64 text, read from its source chunk by chunk.

    Raises :class:`ContentError` from every reader when the text is not strict base64.
    """

    _source: ByteSource
    _start: int
    _stop: int
    _digests: dict[str, bytes] = field(default_factory=dict, init=False)
    _size: int | None = field(default=None, init=False)

    def chunks(self) -> Iterator[bytes]:
        """Yield the decoded bytes."""
        rest = b""
        ended = False
        for chunk in self._source.chunks(self._start, self._stop):
            text = rest + chunk.translate(None, _SPACE)
            if ended and text:
                raise ContentError("base64 text goes on after its padding")
            usable = len(text) - len(text) % 4
            text, rest = text[:usable], text[usable:]
            ended = ended or text.endswith(b"=")  # a chunk of nothing but spaces may come between
            if text:
                yield _strict_base64(text)
        if rest:
            raise ContentError("base64 text ends in the middle of a group of four characters")

    def consume(self, sink: Callable[[bytes], object] | None = None, algorithm: str = "sha256") -> bytes:
        """Decode once: feed each chunk to ``sink`` and return the digest, which is kept with the size."""
        digest = hashlib.new(algorithm)
        size = 0
        for chunk in self.chunks():
            digest.update(chunk)
            size += len(chunk)
            if sink is not None:
                sink(chunk)
        self._size = size
        self._digests[algorithm] = digest.digest()
        return self._digests[algorithm]

    def digest(self, algorithm: str = "sha256") -> bytes:
        """The digest of the decoded bytes; computed once for each ``hashlib`` name."""
        known = self._digests.get(algorithm)
        return self.consume(algorithm=algorithm) if known is None else known

    @property
    def size_at_most(self) -> int:
        """An upper bound of the number of decoded bytes, known without decoding."""
        return (self._stop - self._start) // 4 * 3 + 3

    @property
    def size(self) -> int:
        """The number of decoded bytes."""
        if self._size is None:
            self.consume()
        assert self._size is not None  # noqa: S101 -- consume() has set it; this tells the type checker
        return self._size

    def read(self) -> bytes:
        """All decoded bytes at once; only for contents known to be small."""
        return b"".join(self.chunks())

    def head(self, count: int) -> bytes:
        """The first decoded bytes, at most ``count`` of them."""
        data = io.BytesIO()
        for chunk in self.chunks():
            data.write(chunk[:count])
            if data.tell() >= count:
                break
        return data.getvalue()[:count]


class _RawBase64(Base64Content):
    """The decoded form of a base64 text that is yet to be written: the bytes themselves."""

    def __init__(self, raw: RawContent) -> None:
        super().__init__(MemorySource(b""), 0, (raw.size + 2) // 3 * 4)
        self._raw = raw

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes."""
        return self._raw.chunks()

    def digest(self, algorithm: str = "sha256") -> bytes:
        """The digest of the bytes, as their holder knows it."""
        return self._raw.digest(algorithm)

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self._raw.size


def parse(source: ByteSource | bytes, limits: XmlLimits) -> ParsedXml:
    """Parse a document from outside.

    Raises:
        XmlLimitError: the document exceeds ``limits``.
        XmlError: it is empty, not UTF-8, not well-formed, or has a document type or entities.
    """
    if isinstance(source, bytes):
        source = MemorySource(source)
    if source.size == 0:
        raise XmlError("xml.empty", "the file is empty", "send the XML file itself")
    if source.size > limits.max_bytes:
        raise XmlLimitError(
            "xml.max_bytes", f"the file has {source.size} bytes, more than {limits.max_bytes}", "send a smaller file"
        )
    skeleton, runs = _cut_runs(source, limits)
    _check_skeleton(skeleton, limits)
    root = _parse_skeleton(skeleton)
    _check_shape(root, limits)
    _check_namespaces(skeleton, root, limits)
    _check_markers(root, runs)
    return ParsedXml(root, source, runs)


def canonicalize(
    element: etree._Element, method: CanonicalizationMethod, inclusive_prefixes: Sequence[str] = ()
) -> bytes:
    """The canonical octets of ``element`` and all below it, without comments.

    Raises:
        XmlError: a namespace name is not an absolute URI, for which no canonical form is defined, or ``element`` is a
            processing instruction, on which libxml2 would end the process.
    """
    if not isinstance(element.tag, str):
        raise XmlError("xml.canonicalization", "a processing instruction alone cannot be signed", "sign an element")
    exclusive = method is CanonicalizationMethod.EXCLUSIVE
    if not exclusive and element.getparent() is not None:
        element = _standing_alone(element, method)
    try:
        return etree.tostring(
            element,
            method="c14n",
            exclusive=exclusive,
            with_comments=False,
            inclusive_ns_prefixes=list(inclusive_prefixes) or None,
        )
    except etree.LxmlError as error:
        raise XmlError(
            "xml.canonicalization", f"no canonical form: {error}", "declare namespaces with absolute URIs"
        ) from error


def _standing_alone(element: etree._Element, method: CanonicalizationMethod) -> etree._Element:
    """A copy as the root of a document, with all namespaces and ``xml:`` attributes that it inherits.

    Inclusive methods need it. For a part of a tree libxml2 leaves inherited ``xml:`` attributes out (Canonical XML 1.0
    section 2.4), and takes a default namespace from above for another one, so that it writes ``xmlns=""`` two levels
    below.
    """
    alone = _parse_skeleton(etree.tostring(element, encoding="UTF-8", with_tail=False))
    alone.attrib.update(_inherited_xml_attributes(element, method))
    return alone


def _inherited_xml_attributes(element: etree._Element, method: CanonicalizationMethod) -> dict[str, str]:
    inherited: dict[str, str] = {}
    for ancestor in element.iterancestors():
        for name, value in ancestor.attrib.items():
            if str(name).startswith("{" + _XML_NAMESPACE + "}") and name not in element.attrib:
                inherited.setdefault(str(name), str(value))
    if method is CanonicalizationMethod.INCLUSIVE_11:
        inherited.pop("{" + _XML_NAMESPACE + "}id", None)
        if "{" + _XML_NAMESPACE + "}base" in inherited:
            raise XmlError(
                "xml.base", "xml:base above a part signed with Canonical XML 1.1", "remove xml:base from the document"
            )
    return inherited


def _cut_runs(source: ByteSource, limits: XmlLimits) -> tuple[bytes, dict[str, _Run]]:
    """The source with a marker in the place of each long run, and the runs by their markers."""
    if source.size < limits.externalize_from and source.size <= limits.max_skeleton_bytes:
        return source.read(0, source.size), {}
    runs = list(_find_runs(source, limits.externalize_from))
    if source.size - sum(run.stop - run.start for run in runs) > limits.max_skeleton_bytes:
        raise _skeleton_too_large(limits)
    borders = [0, *(border for run in runs for border in (run.start, run.stop)), source.size]
    outside = [source.read(borders[i], borders[i + 1]) for i in range(0, len(borders), 2)]
    prefix = _unused_prefix(b"".join(outside))
    markers = [f"{prefix}{number:0{_MARKER_LENGTH - len(prefix)}d}" for number in range(len(runs))]
    skeleton = outside[0] + b"".join(marker.encode() + part for marker, part in zip(markers, outside[1:], strict=True))
    return skeleton, dict(zip(markers, runs, strict=True))


def _find_runs(source: ByteSource, shortest: int) -> Iterator[_Run]:
    """The texts of at least ``shortest`` base64 characters and spaces that directly follow a tag or ``<![CDATA[``."""
    for start, stop in _long_stretches(source, shortest):
        head = source.read(start, start + shortest)
        opening = len(_CDATA) if head.startswith(_CDATA) else head.find(b">") + 1
        if opening == 0:
            continue
        run = _Run(source, start + opening, _end_of_run(source, start + opening, stop))
        if run.stop - run.start >= shortest:
            yield run


def _long_stretches(source: ByteSource, shortest: int) -> Iterator[tuple[int, int]]:
    """Where at least ``shortest`` bytes pass from one ``<`` to the next one or the end."""
    at = 0
    while at + shortest <= source.size:
        last = source.read(at + 1, at + shortest).rfind(b"<")
        if last >= 0:
            at += 1 + last
            continue
        stop = _find_markup(source, at + shortest)
        yield at, stop
        at = stop


def _find_markup(source: ByteSource, start: int) -> int:
    at = start
    for chunk in source.chunks(start, source.size):
        found = chunk.find(b"<")
        if found >= 0:
            return at + found
        at += len(chunk)
    return source.size


def _end_of_run(source: ByteSource, start: int, stop: int) -> int:
    at = start
    for chunk in source.chunks(start, stop):
        if chunk.translate(None, _BASE64_AND_SPACE):
            inside = _RUN.match(chunk)
            return at + (inside.end() if inside else 0)
        at += len(chunk)
    return at


def _skeleton_too_large(limits: XmlLimits) -> XmlLimitError:
    return XmlLimitError(
        "xml.max_skeleton_bytes",
        f"the file without its base64 contents has more than {limits.max_skeleton_bytes} bytes",
        "put files into base64 attachments, and shorten the header",
    )


def _unused_prefix(skeleton: bytes) -> str:
    """A marker prefix that the document does not contain; found by going over it once."""
    taken = {int(number) for number in _PREFIX.findall(skeleton)}
    number = next(each for each in itertools.count() if each not in taken)
    prefix = f"edocRun{number:09d}"
    assert len(prefix) == _PREFIX_LENGTH, "a skeleton has fewer bytes than there are numbers"  # noqa: S101 - says why
    return prefix


def _check_skeleton(skeleton: bytes, limits: XmlLimits) -> None:
    if len(skeleton) > limits.max_skeleton_bytes:
        raise _skeleton_too_large(limits)
    encoding = _DECLARED_ENCODING.match(skeleton.removeprefix(_UTF8_MARK))
    # In UTF-16 and UTF-32 the first tag has a NUL byte in its first character, or a byte order mark stands before it.
    is_wide = b"\x00" in skeleton[:2] or skeleton.startswith((b"\xff\xfe", b"\xfe\xff"))
    if is_wide or (encoding and encoding.group(1).lower() not in _UTF8_NAMES):
        raise XmlError("xml.encoding", "the file is not encoded in UTF-8", "write the file in UTF-8")
    if b"!" in skeleton and b"<!DOCTYPE" in skeleton:  # one character is found, or not, ten times as fast
        raise XmlError("xml.doctype", "the file has a document type declaration", "remove <!DOCTYPE ...>")
    if len(skeleton) > limits.max_nodes and skeleton.count(b"<") > limits.max_nodes:
        raise XmlLimitError("xml.max_nodes", f"more than {limits.max_nodes} tags", "send a smaller file")
    if len(skeleton) > limits.max_attributes and skeleton.count(b"=") > limits.max_attributes:
        raise XmlLimitError(
            "xml.max_attributes", f"more than {limits.max_attributes} attributes", "send a smaller file"
        )
    _check_names(skeleton, limits)


def _check_names(skeleton: bytes, limits: XmlLimits) -> None:
    """Bound what the parser's dictionary, which is never emptied, can grow by with one document."""
    if len(skeleton) <= limits.max_name_bytes:
        return  # the names in it are no longer than it is
    names: set[bytes] = set()
    total = 0
    for found in _NAME.finditer(skeleton):
        element, attribute, double, single = found.groups(b"")
        for name in (element, attribute, (double or single) if attribute.startswith(b"xmlns") else b""):
            if name and name not in names:
                names.add(name)
                total += len(name)
        if total > limits.max_name_bytes:
            raise XmlLimitError(
                "xml.max_name_bytes",
                f"the names of elements, attributes and namespaces have more than {limits.max_name_bytes} bytes",
                "use the names of the format",
            )


def _check_namespaces(skeleton: bytes, root: etree._Element, limits: XmlLimits) -> None:
    """Canonicalization takes time with the square of the declarations in scope: few are enough for everybody."""
    declarations = skeleton.count(b"xmlns")
    if declarations <= limits.max_namespaces_in_scope:
        return
    in_scope = 0
    for event, _ in etree.iterwalk(root, events=("start-ns", "end-ns")):
        in_scope += 1 if event == "start-ns" else -1
        if in_scope > limits.max_namespaces_in_scope or declarations > limits.max_namespaces:
            raise XmlLimitError(
                "xml.max_namespaces",
                f"more than {limits.max_namespaces_in_scope} namespace declarations in one place, or more than"
                f" {limits.max_namespaces} in all",
                "declare only the namespaces that are used",
            )


class _Parsers(threading.local):
    """One parser a thread: making one takes as long as parsing a small message, and one cannot be used by two."""

    def __init__(self) -> None:
        self.parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            recover=False,
        )


_PARSERS: Final = _Parsers()


def _parse_skeleton(skeleton: bytes) -> etree._Element:
    try:
        root = etree.fromstring(skeleton, _PARSERS.parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        where = f"line {error.lineno}: " if isinstance(error, etree.XMLSyntaxError) else ""
        raise XmlError(
            "xml.well_formed", f"not well-formed XML: {where}{error}", "write the file with an XML library"
        ) from error
    # _check_skeleton has refused it by its spelling; this asks the parser itself, should it ever read another one.
    if root.getroottree().docinfo.internalDTD is not None:
        raise XmlError("xml.doctype", "the file has a document type declaration", "remove <!DOCTYPE ...>")
    return root


def _check_shape(root: etree._Element, limits: XmlLimits) -> None:
    if _deeper_than(limits.max_depth)(root):
        raise XmlLimitError("xml.max_depth", f"elements nest deeper than {limits.max_depth}", "flatten the document")
    if _wider_than(limits.max_attributes_of_one)(root):
        raise XmlLimitError(
            "xml.max_attributes_of_one",
            f"an element has more than {limits.max_attributes_of_one} attributes",
            "use the attributes of the format",
        )


@functools.cache
def _deeper_than(max_depth: int) -> etree.XPath:
    return etree.XPath("boolean(" + "/*" * (max_depth + 1) + ")")


@functools.cache
def _wider_than(max_attributes: int) -> etree.XPath:
    return etree.XPath(f"boolean(/descendant-or-self::*/@*[{max_attributes + 1}])")


def _check_markers(root: etree._Element, runs: Mapping[str, _Run]) -> None:
    """Each run must have been the whole text of one childless element; anywhere else it would hide.

    A marker must also occur nowhere else: ``&#101;docRun...`` spells one without containing it.
    """
    if not runs:
        return
    found = {text for element in root.iter(etree.Element) if (text := element.text) in runs and not len(element)}
    written = etree.tostring(root.getroottree(), encoding="UTF-8")
    if len(found) != len(runs) or written.count(_prefix_of(runs)) != len(runs):
        raise XmlError(
            "xml.long_text",
            "a long text without markup stands where no base64 content can be",
            "put long contents alone into an element of their own",
        )


def _prefix_of(runs: Mapping[str, _Run]) -> bytes:
    """What all markers of a document start with."""
    return next(iter(runs))[:_PREFIX_LENGTH].encode()


def _strict_base64(text: bytes) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ContentError(f"not strict base64: {error}") from error


def _normalized_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Line ends as an XML processor reports them (XML 1.0 section 2.11), across chunk borders."""
    after_return = False
    for chunk in chunks:
        text = chunk[1:] if after_return and chunk.startswith(b"\n") else chunk
        after_return = chunk.endswith(b"\r")
        yield text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
