"""Loading and applying schemas."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from lxml import etree

from schemas import SchemaName, SchemaUnavailableError, compile_all, load_schema, validate
from schemas import validation as module
from tests.support.messages import DOCUMENT_XML, STATUS_XML, changed

OLD = "http://www.e-doc.vn/Schema/"
CURRENT = "http://www.mic.gov.vn/TBT/QCVN_102_2016"


def tree(text: str) -> etree._Element:
    return etree.fromstring(text.encode())


@pytest.mark.parametrize("name", SchemaName)
def test_every_schema_compiles(name: SchemaName) -> None:
    assert load_schema(name) is not None


def test_a_schema_is_compiled_once_for_all_threads() -> None:
    compile_all()
    here = load_schema(SchemaName.EDXML_READ)
    with ThreadPoolExecutor(4) as pool:
        assert all(each is here for each in pool.map(lambda _: load_schema(SchemaName.EDXML_READ), range(8)))


@pytest.mark.parametrize("text", [DOCUMENT_XML, STATUS_XML])
def test_the_examples_of_the_format_are_tolerated_in_both_namespaces(text: str) -> None:
    assert validate(SchemaName.EDXML_READ, tree(text)) == ()
    assert validate(SchemaName.EDXML_READ_OLD, tree(text.replace(CURRENT, OLD))) == ()


def test_the_status_example_is_strictly_valid() -> None:
    assert validate(SchemaName.EDXML_STATUS, tree(STATUS_XML)) == ()


def test_the_document_example_is_strictly_valid() -> None:
    assert validate(SchemaName.EDXML_DOCUMENT, tree(DOCUMENT_XML)) == ()


def test_a_document_is_no_status_and_a_status_no_document() -> None:
    assert validate(SchemaName.EDXML_STATUS, tree(DOCUMENT_XML))
    assert validate(SchemaName.EDXML_DOCUMENT, tree(STATUS_XML))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2026/03/05", "2026-03-05"),
        ("<edXML:Priority>1", "<edXML:Priority>4"),
        ("<edXML:CodeNumber>15", "<edXML:CodeNumber>5"),
        ("<edXML:Type>2", "<edXML:Type>1"),
        ("<edXML:Paper>0</edXML:Paper>", ""),
        ("<edXML:OrganAdd>Thành phố Hồ Chí Minh</edXML:OrganAdd>", ""),
        ("<edXML:SteeringType>0", "<edXML:SteeringType>"),
        ("<ContentId>cid:att-1", "<ContentId>cid:att-2"),
        ("<ContentId>cid:att-1", "<ContentId>att-1"),
        ("aGVsbG8K", "aGVsbG8"),
        ("aGVsbG8K", ""),
        ("<edXML:Subject>", f"<edXML:Subject>{'x' * 500}"),
    ],
)
def test_the_strict_schema_refuses_what_is_not_written(old: str, new: str) -> None:
    assert validate(SchemaName.EDXML_DOCUMENT, tree(changed(DOCUMENT_XML, old, new)))


def test_recipients_named_twice_are_refused_by_the_strict_schema() -> None:
    start, stop = DOCUMENT_XML.index("<edXML:To>"), DOCUMENT_XML.index("</edXML:To>") + len("</edXML:To>")
    doubled = DOCUMENT_XML[:stop] + DOCUMENT_XML[start:stop] + DOCUMENT_XML[stop:]
    assert "key" in validate(SchemaName.EDXML_DOCUMENT, tree(doubled))[0].message


def test_a_violation_names_line_and_element() -> None:
    text = changed(DOCUMENT_XML, "<edXML:Subject>", f"<edXML:Subject>{'x' * 2000}")
    (violation,) = validate(SchemaName.EDXML_READ, tree(text))
    assert violation.element == "Subject"
    assert text.splitlines()[violation.line - 1].strip().startswith("<edXML:Subject>")


def test_no_more_violations_are_reported_than_a_reader_can_take_in() -> None:
    text = changed(DOCUMENT_XML, "<edXML:Subject>", f"<edXML:Place>{'x' * 700}</edXML:Place>" * 50 + "<edXML:Subject>")
    assert len(validate(SchemaName.EDXML_READ, tree(text))) == module.MAX_VIOLATIONS


def test_threads_do_not_see_each_others_violations() -> None:
    good, bad = tree(DOCUMENT_XML), tree(changed(DOCUMENT_XML, "<edXML:Subject>", f"<edXML:Subject>{'x' * 2000}"))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda root: len(validate(SchemaName.EDXML_READ, root)), [good, bad] * 100))
    assert found == [0, 1] * 100


def test_a_document_cannot_name_a_schema_of_its_own() -> None:
    hint = (
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        f' xsi:schemaLocation="{CURRENT} http://192.0.2.1/evil.xsd"'
    )
    text = changed(DOCUMENT_XML, f'<edXML xmlns="{CURRENT}"', f'<edXML xmlns="{CURRENT}"{hint}')
    assert validate(SchemaName.EDXML_READ, tree(text)) == ()


def test_a_schema_that_the_packages_do_not_hold_is_not_looked_for_elsewhere() -> None:
    with pytest.raises(SchemaUnavailableError):
        module._read("http://192.0.2.1/other.xsd")


def test_a_compile_that_another_thread_disturbed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lxml's loader of further documents is one for the process: another thread's parse can take it away."""
    once, disturbed = module._compile_once, [SchemaUnavailableError("no loader")] * 3

    def disturbed_at_first(name: SchemaName) -> etree.XMLSchema:
        if disturbed:
            raise disturbed.pop()
        return once(name)

    monkeypatch.setattr(module, "_compile_once", disturbed_at_first)
    assert isinstance(module._compile(SchemaName.EDXML_READ), etree.XMLSchema)
    assert disturbed == []
