"""The one parse: what it refuses, what it costs, and that a document with long texts cut out says the same."""

from __future__ import annotations

import base64
import hashlib
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from signing import xml
from signing.errors import ContentError, XmlError, XmlLimitError
from signing.xml import CHUNK_BYTES, CanonicalizationMethod, FileSource, MemorySource, XmlLimits, canonicalize, parse

SMALL = XmlLimits(externalize_from=16)
"""Cuts out texts of 16 characters already, so that short documents show what long ones do."""
EXCLUSIVE = CanonicalizationMethod.EXCLUSIVE
INCLUSIVE = CanonicalizationMethod.INCLUSIVE
INCLUSIVE_11 = CanonicalizationMethod.INCLUSIVE_11


def canonical(data: bytes, limits: XmlLimits) -> bytes:
    document = parse(data, limits)
    return b"".join(document.canonical_chunks(document.root, EXCLUSIVE))


def plainly_canonical(data: bytes) -> bytes:
    """By lxml alone."""
    root = etree.fromstring(data, etree.XMLParser(remove_comments=True, huge_tree=True))
    return etree.tostring(root, method="c14n", exclusive=True)


def rule_of(data: bytes, limits: XmlLimits | None = None) -> str:
    with pytest.raises(XmlError) as refusal:
        parse(data, limits or XmlLimits())
    return refusal.value.rule


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "rule"),
        [
            (b"", "xml.empty"),
            (b" ", "xml.well_formed"),
            (b"<a>", "xml.well_formed"),
            (b"<a></b>", "xml.well_formed"),
            (b"<a/><b/>", "xml.well_formed"),
            (b"not XML", "xml.well_formed"),
            (b"<a>\x00</a>", "xml.well_formed"),
            (b"<a>\x08</a>", "xml.well_formed"),
            (b"<a>&#0;</a>", "xml.well_formed"),
            (b"<a>&#xD800;</a>", "xml.well_formed"),
            (b"<a>\xed\xa0\x80</a>", "xml.well_formed"),
            (b"<a>\xff</a>", "xml.well_formed"),
            (b"<a>&nbsp;</a>", "xml.well_formed"),
            (b'<a b="1" b="2"/>', "xml.well_formed"),
            (b"<x:a/>", "xml.well_formed"),
            (b"<!DOCTYPE a><a/>", "xml.doctype"),
            (b'<!DOCTYPE a SYSTEM "http://attacker.example/a.dtd"><a/>', "xml.doctype"),
            (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "xml.doctype"),
            (b"<a><!ENTITY x 'y'></a>", "xml.well_formed"),
            (b'<?xml version="1.0" encoding="ISO-8859-1"?><a/>', "xml.encoding"),
            (b'<?xml version="1.0" encoding="UTF-7"?><a/>', "xml.encoding"),
            ('<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"), "xml.encoding"),
            ("<a/>".encode("utf-16-le"), "xml.encoding"),
            ("<a/>".encode("utf-16-be"), "xml.encoding"),
            ("<a/>".encode("utf-32"), "xml.encoding"),
            ("<a/>".encode("utf-32-be"), "xml.encoding"),
            ('\ufeff<?xml version="1.0" encoding="ISO-8859-1"?><a/>'.encode(), "xml.encoding"),
            (b"<r " + b" ".join(b'xmlns:p%d="urn:p"' % each for each in range(33)) + b"/>", "xml.max_namespaces"),
            (b"<r>" + b'<a xmlns:p="urn:p"/>' * 4001 + b"</r>", "xml.max_namespaces"),
        ],
    )
    def test_what_is_no_acceptable_xml_is_refused_by_name(self, data: bytes, rule: str) -> None:
        assert rule_of(data) == rule

    def test_a_doctype_that_the_look_at_the_bytes_would_miss_is_found_by_the_parser(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(xml, "_check_skeleton", lambda *_: None)
        assert rule_of(b"<!DOCTYPE a><a/>") == "xml.doctype"

    def test_a_doctype_that_looks_like_text_is_not_a_doctype(self) -> None:
        assert parse(b"<a>&lt;!DOCTYPE</a>", XmlLimits()).root.text == "<!DOCTYPE"

    @pytest.mark.parametrize("name", ["UTF-8", "utf-8", "utf8", "US-ASCII"])
    def test_utf_8_by_all_its_names_is_read(self, name: str) -> None:
        assert parse(f'<?xml version="1.0" encoding="{name}"?><a/>'.encode(), XmlLimits()).root.tag == "a"

    def test_a_byte_order_mark_is_read_over(self) -> None:
        assert parse(b"\xef\xbb\xbf<a/>", XmlLimits()).root.tag == "a"

    @pytest.mark.parametrize(
        ("data", "limits", "rule"),
        [
            (b"<a>12345</a>", XmlLimits(max_bytes=11), "xml.max_bytes"),
            (b"<a>.2345</a>", XmlLimits(max_skeleton_bytes=11), "xml.max_skeleton_bytes"),
            (b"<a>.2345</a>", XmlLimits(max_skeleton_bytes=11, externalize_from=2), "xml.max_skeleton_bytes"),
            (b"<a><b/><b/></a>", XmlLimits(max_nodes=3), "xml.max_nodes"),
            (b'<a b="" c="" d=""/>', XmlLimits(max_attributes=2), "xml.max_attributes"),
            (b'<a><b c="" d="" e=""/></a>', XmlLimits(max_attributes_of_one=2), "xml.max_attributes_of_one"),
            (b"<a><b><c/></b></a>", XmlLimits(max_depth=2), "xml.max_depth"),
            (b"<a><bb/><ccc/></a>", XmlLimits(max_name_bytes=5), "xml.max_name_bytes"),
            (b'<a bb="" ccc=""/>', XmlLimits(max_name_bytes=5), "xml.max_name_bytes"),
            (b'<a xmlns="urn:b"/>', XmlLimits(max_name_bytes=5), "xml.max_name_bytes"),
            (b'<a xmlns:b = "u:c"/>', XmlLimits(max_name_bytes=3), "xml.max_name_bytes"),
            (b"<a><?bb?><?ccc?></a>", XmlLimits(max_name_bytes=5), "xml.max_name_bytes"),
        ],
    )
    def test_each_limit_is_named(self, data: bytes, limits: XmlLimits, rule: str) -> None:
        with pytest.raises(XmlLimitError) as refusal:
            parse(data, limits)
        assert refusal.value.rule == rule

    @pytest.mark.parametrize(
        ("data", "limits"),
        [
            (b"<a>12345</a>", XmlLimits(max_bytes=12)),
            (b"<a>.2345</a>", XmlLimits(max_skeleton_bytes=12)),
            (b"<a><b/><b/></a>", XmlLimits(max_nodes=4)),
            (b'<a b="" c="" d=""/>', XmlLimits(max_attributes=3)),
            (b'<a c=""><b c="" d=""/></a>', XmlLimits(max_attributes_of_one=2)),
            (b"<a><b><c/></b></a>", XmlLimits(max_depth=3)),
            (b"<a><bb/><ccc/><bb/></a>", XmlLimits(max_name_bytes=6)),
            (b"<a>" + b"words of a text " * 10 + b"</a>", XmlLimits(max_name_bytes=1)),
        ],
    )
    def test_what_just_keeps_a_limit_is_read(self, data: bytes, limits: XmlLimits) -> None:
        assert parse(data, limits).root.tag == "a"

    def test_nesting_that_would_exhaust_a_stack_is_refused(self) -> None:
        assert rule_of(b"<a>" * 100_000 + b"</a>" * 100_000) in {"xml.well_formed", "xml.max_depth"}

    def test_nothing_is_included(self) -> None:
        data = b'<a xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="file:///etc/hostname" parse="text"/></a>'
        assert len(parse(data, XmlLimits()).root) == 1


LONG = b"QUJD" * 8
"""More than :data:`SMALL` leaves in place."""


class TestExternalTexts:
    @pytest.mark.parametrize(
        "data",
        [
            b"<a><b>%s</b></a>",
            b"<a><b><![CDATA[%s]]></b></a>",
            b"<a><b>%s</b><c>%s</c></a>",
            b"<a>%s</a>",
            b"<a>\n  <b>%s\n</b>\n</a>",
            b"<a><b>\r\n%s\r\n</b></a>",
            b"<a x='>'><b>%s</b></a>",
        ],
    )
    def test_a_long_text_is_not_in_the_tree_and_yet_in_every_output(self, data: bytes) -> None:
        data = data.replace(b"%s", LONG)
        document = parse(data, SMALL)
        assert LONG not in etree.tostring(document.root)
        assert canonical(data, SMALL) == plainly_canonical(data)
        assert plainly_canonical(b"".join(document.encoded_chunks())) == plainly_canonical(data)
        for element in document.root.iter():
            if element.text in document.markers:
                assert document.content(element).read() == b"ABC" * 8

    @pytest.mark.parametrize(
        "data",
        [
            b"<a b='>%s'/>",
            b"<a><b/>%s</a>",
            b"<a>%s<b/></a>",
            b"<a>%s<![CDATA[x]]></a>",
            b"<a>%s&#65;</a>",
            b"<a>%s.</a>",
            b"<a><!-- > %s --></a>",
            b"<a><?x > %s?></a>",
            b"<a>%s<?x?></a>",
        ],
    )
    def test_a_long_text_that_is_not_all_of_an_element_is_refused(self, data: bytes) -> None:
        assert rule_of(data.replace(b"%s", LONG), SMALL) == "xml.long_text"

    @pytest.mark.parametrize("data", [b"<a b='%s>%s'/>", b"<a><![CDATA[x]]>%s<b/></a>"])
    def test_a_long_text_that_is_not_a_run_stays_in_the_tree(self, data: bytes) -> None:
        data = data.replace(b"%s", LONG[:-8])
        assert not parse(data, SMALL).markers
        assert canonical(data, SMALL) == plainly_canonical(data)

    @pytest.mark.parametrize(
        "spelled",
        [
            b"<c>&#101;docRun00000000000000000000000000</c>",
            b"<c d='&#101;docRun00000000000000000000000000'/>",
            b"<c d='edocRu&#x6E;000000000'/>",
            b"<c>x &#101;docRun000000000 x</c>",
        ],
    )
    def test_a_marker_spelled_with_references_is_refused(self, spelled: bytes) -> None:
        assert rule_of(b"<a>" + spelled + b"<b>" + LONG + b"</b></a>", SMALL) == "xml.long_text"
        assert rule_of(b"<a><b>" + LONG + b"</b>" + spelled + b"</a>", SMALL) == "xml.long_text"

    def test_a_marker_in_the_document_makes_the_next_one_differ(self) -> None:
        data = b"<a><c>.edocRun000000000.edocRun000000001.</c><b>" + LONG + b"</b></a>"
        assert next(iter(parse(data, SMALL).markers)).startswith("edocRun000000002")
        assert canonical(data, SMALL) == plainly_canonical(data)

    @settings(max_examples=250, deadline=None, derandomize=True)
    @given(data=st.data())
    def test_what_is_read_is_what_a_plain_parser_reads(self, data: st.DataObject) -> None:
        document = data.draw(DOCUMENTS)
        try:
            parsed = parse(document, SMALL)
        except XmlError:
            assert rule_of(document, SMALL) == "xml.long_text"
            return
        plain = etree.fromstring(document, etree.XMLParser(remove_comments=True))
        for element, other in zip(parsed.root.iter(etree.Element), plain.iter(etree.Element), strict=True):
            for method in CanonicalizationMethod:
                assert b"".join(parsed.canonical_chunks(element, method)) == canonicalize(other, method)
        assert plainly_canonical(b"".join(parsed.encoded_chunks())) == plainly_canonical(document)

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(size=st.integers(1, 40), content=st.binary(min_size=30, max_size=200))
    def test_chunk_borders_change_nothing(self, size: int, content: bytes) -> None:
        text = base64.encodebytes(content).replace(b"\n", b"\r\n") + b"\r\r\n\r"
        data = b"<a><b>" + text + b"</b></a>"
        document = parse(Chopped(data, size), SMALL)
        assert document.content(document.root[0]).read() == content
        assert b"".join(document.canonical_chunks(document.root, EXCLUSIVE)) == plainly_canonical(data)


@dataclass(frozen=True)
class Chopped:
    """A source that hands out chunks of a few bytes."""

    data: bytes
    chunk: int

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, start: int, stop: int) -> bytes:
        return self.data[start:stop]

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        for at in range(start, stop, self.chunk):
            yield self.data[at : min(at + self.chunk, stop)]


TEXTS = st.one_of(
    st.text("AB+/=\n\r\t 0", max_size=40),
    st.text("AB=", min_size=14, max_size=40),
    st.sampled_from(["", "&amp;", "&#13;", "Ủy ban", "]]&gt;", "&#101;docRun00000000000000000000000000"]),
)
PIECES = st.one_of(
    TEXTS,
    TEXTS.map(lambda text: f"<![CDATA[{text.replace('&', '')}]]>"),
    TEXTS.map(lambda text: f"<!--{text.replace('-', '')}-->"),
    TEXTS.map(lambda text: f"<?p {text}?>"),
)
ELEMENTS = st.recursive(
    st.lists(PIECES, max_size=3).map("".join),
    lambda inside: st.tuples(
        st.sampled_from(["a", "n:b", 'c xmlns="urn:c"', 'd xmlns=""', "e x='>AAAA' xml:lang='vi'"]),
        st.lists(st.one_of(inside, PIECES), max_size=4),
    ).map(lambda made: f"<{made[0]}>{''.join(made[1])}</{made[0].split()[0]}>"),
    max_leaves=12,
)
DOCUMENTS = ELEMENTS.map(lambda inside: f'<r xmlns="urn:r" xmlns:n="urn:n">{inside}</r>'.encode())


class TestContents:
    def contents(self, text: bytes, limits: XmlLimits = SMALL) -> xml.Base64Content:
        document = parse(b"<a><b>" + text + b"</b></a>", limits)
        return document.content(document.root[0])

    @pytest.mark.parametrize("limits", [SMALL, XmlLimits()], ids=["cut out", "in the tree"])
    @pytest.mark.parametrize("length", [0, 1, 2, 3, 11, 12, 13, 100, 1000])
    def test_base64_is_decoded_and_digested(self, length: int, limits: XmlLimits) -> None:
        data = bytes(range(256)) * 4
        content = self.contents(base64.encodebytes(data[:length]), limits)
        assert content.read() == data[:length]
        assert content.size == length
        assert content.digest() == hashlib.sha256(data[:length]).digest()
        assert content.digest("sha512") == hashlib.sha512(data[:length]).digest()
        assert content.head(5) == data[:length][:5]

    @pytest.mark.parametrize("limits", [SMALL, XmlLimits()], ids=["cut out", "in the tree"])
    @pytest.mark.parametrize("text", [b"A" * 33, LONG + b"QQ==QUJD", LONG + b"A===", LONG + b"=", LONG + b"QQ=Q"])
    def test_what_is_not_strict_base64_is_refused(self, text: bytes, limits: XmlLimits) -> None:
        content = self.contents(text, limits)
        with pytest.raises(ContentError):
            content.read()

    def test_characters_outside_the_alphabet_are_refused(self) -> None:
        with pytest.raises(ContentError):
            self.contents(b"QUJD-_", XmlLimits()).read()

    @pytest.mark.parametrize("between", [b"", b"\n", b" " * CHUNK_BYTES], ids=["nothing", "a line", "a whole chunk"])
    def test_text_behind_the_padding_is_refused_even_where_a_chunk_ends_there(self, between: bytes) -> None:
        padded = b"QUJD" * (CHUNK_BYTES // 4 - 1) + b"QQ=="
        assert len(padded) == CHUNK_BYTES
        assert self.contents(padded + between).size == CHUNK_BYTES // 4 * 3 - 2
        with pytest.raises(ContentError, match="goes on after its padding"):
            self.contents(padded + between + b"QUJD").read()

    def test_an_element_with_children_has_no_content(self) -> None:
        document = parse(b"<a>QUJD<b/></a>", XmlLimits())
        with pytest.raises(ContentError):
            document.content(document.root)

    def test_a_content_is_decoded_once_for_one_digest(self) -> None:
        document = parse(b"<a><b>" + LONG + b"</b></a>", SMALL)
        fed: list[bytes] = []
        document.content(document.root[0]).consume(fed.append)
        assert document.content(document.root[0]).digest() == hashlib.sha256(b"".join(fed)).digest()
        assert document.content(document.root[0]) is document.content(document.root[0])


def test_a_large_file_is_read_in_a_small_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    line = base64.b64encode(bytes(57)) + b"\n"
    with path.open("wb") as file:
        file.write(b"<a><b>")
        for _ in range(32):
            file.write(line * (CHUNK_BYTES // len(line)))
        file.write(b"</b></a>")
    tracemalloc.start()
    document = parse(FileSource.of(path), XmlLimits())
    digest = document.content(document.root[0]).digest()
    octets = sum(len(chunk) for chunk in document.canonical_chunks(document.root, EXCLUSIVE))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    lines = CHUNK_BYTES // len(line) * 32
    assert digest == hashlib.sha256(bytes(57) * lines).digest()
    assert octets == path.stat().st_size
    assert peak < 8 * CHUNK_BYTES


def test_sources_read_the_same(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5
    path = tmp_path / "x"
    path.write_bytes(data)
    for source in (MemorySource(data), FileSource.of(path)):
        assert source.size == len(data)
        assert source.read(3, 700) == data[3:700]
        assert source.read(1200, 9999) == data[1200:]
        assert b"".join(source.chunks(10, 1000)) == data[10:1000]


NESTED = (
    b'<r xmlns="urn:r" xmlns:n="urn:n" xml:lang="vi" xml:id="top"><m xml:space="preserve">'
    b'<a n:x="1"><b><c/></b></a></m></r>'
)


class TestCanonicalForms:
    """By hand, from Canonical XML 1.0 and 1.1 and Exclusive XML Canonicalization 1.0."""

    @pytest.mark.parametrize(
        ("method", "inherited"),
        [
            (EXCLUSIVE, b""),
            (INCLUSIVE, b' xml:id="top" xml:lang="vi" xml:space="preserve"'),
            (INCLUSIVE_11, b' xml:lang="vi" xml:space="preserve"'),
        ],
    )
    def test_a_part_inherits_what_its_method_says(self, method: CanonicalizationMethod, inherited: bytes) -> None:
        part = parse(NESTED, XmlLimits()).root[0][0]
        # Attributes go by namespace: http://www.w3.org/XML/1998/namespace comes before urn:n.
        expected = b'<a xmlns="urn:r" xmlns:n="urn:n"' + inherited + b' n:x="1"><b><c></c></b></a>'
        assert canonicalize(part, method) == expected

    def test_a_prefix_list_keeps_namespaces_of_ancestors(self) -> None:
        part = parse(b'<r xmlns="urn:r" xmlns:n="urn:n"><a><b k="n:v"/></a></r>', XmlLimits()).root[0]
        assert canonicalize(part, EXCLUSIVE, ("n",)) == b'<a xmlns="urn:r" xmlns:n="urn:n"><b k="n:v"></b></a>'

    def test_a_default_namespace_taken_back_stays_so(self) -> None:
        part = parse(b'<r xmlns="urn:r"><m xmlns=""><a><b><c xmlns="urn:c"/></b></a></m></r>', XmlLimits()).root[0][0]
        for method in CanonicalizationMethod:
            assert canonicalize(part, method) == b'<a><b><c xmlns="urn:c"></c></b></a>'

    def test_the_tree_stays_as_it_is(self) -> None:
        root = parse(NESTED, XmlLimits()).root
        for method in CanonicalizationMethod:
            canonicalize(root[0][0], method)
        assert etree.tostring(root) == NESTED

    def test_xml_base_above_a_part_has_no_form_in_canonical_xml_1_1(self) -> None:
        part = parse(b'<r xml:base="http://x/"><a/></r>', XmlLimits()).root[0]
        with pytest.raises(XmlError) as refusal:
            canonicalize(part, INCLUSIVE_11)
        assert refusal.value.rule == "xml.base"

    @pytest.mark.parametrize("method", CanonicalizationMethod)
    def test_a_relative_namespace_has_no_canonical_form(self, method: CanonicalizationMethod) -> None:
        part = parse(b'<r><n:a xmlns:n="relative"/></r>', XmlLimits()).root[0]
        with pytest.raises(XmlError) as refusal:
            canonicalize(part, method)
        assert refusal.value.rule == "xml.canonicalization"

    def test_a_processing_instruction_alone_has_no_canonical_form(self) -> None:
        # libxml2 would end the process.
        with pytest.raises(XmlError):
            canonicalize(parse(b"<a><?x y?></a>", XmlLimits()).root[0], EXCLUSIVE)

    def test_comments_are_gone_and_the_text_around_them_is_one(self) -> None:
        root = parse(b"<a>Fin<!-- -->ance</a>", XmlLimits()).root
        assert root.text == "Finance"
        assert canonicalize(root, EXCLUSIVE) == b"<a>Finance</a>"


def test_texts_like_markers_are_gone_over_once() -> None:
    data = "<a>-" + "".join(f"edocRun{number:09d}" for number in range(60_000)) + "</a>"
    began = time.process_time()
    parse(data.encode(), XmlLimits())
    assert time.process_time() - began < 0.5
