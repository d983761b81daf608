"""What is written is read back equal, and what the reader accepts is what the tolerant schema accepts."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edoc.envelope.contents import MemoryContent
from edoc.envelope.document_id import make_document_id
from edoc.envelope.filetypes import content_problem, name_problem
from edoc.envelope.model import (
    Attachment,
    Bussiness,
    Code,
    DocumentMessage,
    DocumentType,
    Organization,
    OtherInfo,
    Priority,
    ResponseFor,
    SignerInfo,
    StaffInfo,
    StatusMessage,
    SteeringType,
    TraceHeader,
)
from edoc.envelope.scalars import MAX_LENGTH
from edoc.errors import MessageError, Violation
from schemas import CodeListName, SchemaName, code_list, validate
from tests.support.messages import DOCUMENT_XML, comparable, message_bytes, parsed, read

SCALARS = st.characters(exclude_categories=("Cs", "Cn", "Cc")) | st.sampled_from("\t\n\r")
VIETNAMESE = st.sampled_from("aăâđeêoôơuưáàảãạấầẩẫậ ABCXYZ 0123456789.,-()&<>'\"")
MOMENTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is drawn beside it


def texts(longest: int, characters: st.SearchStrategy[str] = VIETNAMESE | SCALARS) -> st.SearchStrategy[str]:
    """Texts as the model holds them: in NFC, trimmed and not empty."""
    return (
        st.text(characters, min_size=1, max_size=min(longest, 40))
        .map(lambda text: unicodedata.normalize("NFC", text).strip())
        .filter(lambda text: 0 < len(text) <= longest and unicodedata.is_normalized("NFC", text))
    )


def field(name: str) -> st.SearchStrategy[str]:
    return texts(MAX_LENGTH[name])


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


CODES = st.from_regex(r"[A-Z][0-9]{2}(\.[A-Z0-9]{1,3}){0,3}", fullmatch=True)
NUMBERS = st.integers(1, 99_999_999).map(lambda number: f"{number:02d}")
NOTATIONS = st.from_regex(r"[A-Za-zĐđ]{1,5}(-[A-ZĐ]{1,5}){1,3}", fullmatch=True)
DATES = st.dates(min_value=date(1900, 1, 1), max_value=date(2999, 1, 1))
AMOUNTS = st.integers(0, 999)


def organizations(*, in_charge: bool = False, address: bool = False) -> st.SearchStrategy[Organization]:
    governing, place = field("OrganizationInCharge"), field("OrganAdd")
    return st.builds(
        Organization,
        organ_id=CODES,
        organ_name=field("OrganName"),
        organization_in_charge=governing if in_charge else maybe(governing),
        organ_add=place if address else maybe(place),
        email=maybe(field("Email")),
        telephone=maybe(field("Telephone")),
        fax=maybe(field("Fax")),
        website=maybe(field("Website")),
    )


STAFF = st.builds(
    StaffInfo,
    department=field("Department"),
    department_id=maybe(field("DepartmentId")),
    staff=maybe(field("Staff")),
    staff_id=maybe(field("StaffId")),
    email=maybe(field("Email")),
    mobile=maybe(field("Mobile")),
)
ANSWERED = st.builds(
    ResponseFor,
    organ_id=maybe(CODES),
    code=maybe(field("ResponseFor/Code")),
    document_id=field("DocumentId"),
    promulgation_date=maybe(DATES),
)
NAMES = texts(100, VIETNAMESE).filter(lambda name: name_problem(name) is None)


@st.composite
def attachments(draw: st.DrawFn) -> tuple[Attachment, ...]:
    files = []
    for number in range(draw(st.integers(0, 3))):
        name = draw(NAMES)
        data = draw(st.binary(min_size=1, max_size=200)) * draw(st.sampled_from([1, 1, 300]))
        if data.startswith(b"PK\x03\x04") or content_problem(name, data[:1024]) is not None:
            data = b"x" + data
            name = f"{name}.bin"
        content_type = draw(st.sampled_from(["text/plain", "application/pdf", 'text/calendar; method="REQUEST"']))
        description = draw(maybe(field("Description")))
        files.append(Attachment(f"tệp-{number}", name, content_type, MemoryContent(data), description))
    return tuple(files)


@st.composite
def documents(draw: st.DrawFn) -> DocumentMessage:
    sender = draw(organizations(in_charge=True))
    code, day = Code(draw(NUMBERS), draw(NOTATIONS)), draw(DATES)
    name = draw(st.sampled_from(code_list(CodeListName.DOCUMENT_TYPES).entries)).name_vi
    return DocumentMessage(
        sender=sender,
        recipients=tuple(
            draw(st.lists(organizations(address=True), min_size=1, max_size=3, unique_by=lambda each: each.organ_id))
        ),
        document_id=make_document_id(sender.organ_id, day, code),
        code=code,
        place=draw(field("PromulgationInfo/Place")),
        promulgation_date=day,
        document_type=DocumentType(name),
        subject=draw(field("Subject")),
        content=draw(field("Content")),
        signer_info=SignerInfo(
            draw(field("FullName")), draw(maybe(field("Competence"))), draw(maybe(field("Position")))
        ),
        due_date=draw(maybe(DATES)),
        other_info=OtherInfo(
            draw(st.sampled_from(Priority).filter(lambda each: each is not Priority.EXPRESS_TIMED)),
            draw(maybe(field("SphereOfPromulgation"))),
            draw(maybe(field("TyperNotation"))),
            draw(maybe(AMOUNTS)),
            draw(maybe(AMOUNTS)),
            draw(maybe(st.booleans())),
            tuple(draw(st.lists(field("Appendix"), max_size=2))),
        ),
        response_for=tuple(draw(st.lists(ANSWERED, max_size=2))),
        steering_type=draw(st.sampled_from(SteeringType)),
        to_places=tuple(draw(st.lists(field("ToPlaces/Place"), max_size=3))),
        trace_headers=tuple(TraceHeader(draw(CODES), _seconds(draw(MOMENTS))) for _ in range(draw(st.integers(0, 2)))),
        bussiness=Bussiness(
            reason=draw(maybe(field("BussinessDocReason"))),
            paper=draw(st.booleans()),
            staff_info=tuple(draw(st.lists(STAFF, max_size=2))),
        ),
        attachments=draw(attachments()),
    )


@st.composite
def statuses(draw: st.DrawFn) -> StatusMessage:
    return StatusMessage(
        sender=draw(organizations()),
        response_for=ResponseFor(draw(CODES), draw(field("ResponseFor/Code")), draw(field("DocumentId")), draw(DATES)),
        status_code=f"{draw(st.integers(0, 99)):02d}",
        timestamp=_seconds(draw(MOMENTS)),
        description=draw(field("Description")),
        staff_info=draw(maybe(STAFF)),
    )


def _seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


@settings(max_examples=60, deadline=None)
@given(documents())
def test_a_document_that_is_written_is_read_back_equal(message: DocumentMessage) -> None:
    decoded = read(message_bytes(message))
    assert comparable(decoded.message) == message
    assert decoded.warnings == ()


@settings(max_examples=60, deadline=None)
@given(statuses())
def test_a_status_that_is_written_is_read_back_equal(message: StatusMessage) -> None:
    decoded = read(message_bytes(message))
    assert decoded.message == message
    assert decoded.warnings == ()


LEAVES = sorted({part.split("</")[0] for part in DOCUMENT_XML.split(">") if part.partition("</")[0].strip()})
REPLACEMENTS = st.sampled_from(["", " ", "null", "0", "-1", "2026-02-30", "x" * 45, "é" * 2001, "<x>1</x>", "<?p?>"])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(LEAVES), REPLACEMENTS | texts(30).map(lambda text: text.replace("&", "").replace("<", "")))
def test_what_the_reader_accepts_the_tolerant_schema_accepts(leaf: str, text: str) -> None:
    changed = DOCUMENT_XML.replace(f">{leaf}</", f">{text}</")
    refused = _violations(changed)
    assert refused or validate(SchemaName.EDXML_READ, parsed(changed).root) == ()
    assert not any(violation.reason.startswith("Element '") for violation in refused)


def _violations(text: str) -> tuple[Violation, ...]:
    try:
        read(text)
    except MessageError as error:
        return error.violations
    return ()
