"""A small exchange in one process: SQLite, local files, a test authority, some agencies with seals."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding

from edoc.acceptance.incoming import incoming_bytes
from edoc.acceptance.receipts import Receipt
from edoc.acceptance.service import Acceptance
from edoc.acceptance.steps import NoObserver, StepObserver
from edoc.access.tokens import Principal, Scope
from edoc.archive.local import LocalObjectStore
from edoc.archive.objects import ObjectStore
from edoc.audit.files import verify_file
from edoc.audit.model import AuditReport, AuditTime, AuditTrust
from edoc.database.engine import open_engine, read, write
from edoc.database.group_commit import GroupCommit
from edoc.database.migrate import upgrade
from edoc.delivery.outbox import Task
from edoc.directory.cache import DirectoryCache
from edoc.directory.loader import read_agency_list
from edoc.directory.model import SealBinding
from edoc.directory.repository import add_agencies, bind_seals
from edoc.documents.content import hand_over
from edoc.documents.views import DocumentView, find_document
from edoc.envelope.codec import decode, encode
from edoc.envelope.contents import MemoryContent
from edoc.envelope.limits import MessageLimits
from edoc.envelope.model import (
    Attachment,
    Code,
    DocumentMessage,
    DocumentType,
    Message,
    Organization,
    ResponseFor,
    SignerInfo,
    StatusMessage,
)
from edoc.evidence.issuer import EvidenceIssuer
from edoc.evidence.model import Party
from edoc.exchange import Exchange, Policy
from edoc.export.container import export_document
from edoc.sealing import seal_message
from edoc.vietnam import VIETNAM
from edoc.worker import Worker
from keys.certificates import CertificateRole, fingerprint
from keys.memory import MemoryKey
from schemas import compile_all
from signing.xades.signer import sign
from signing.xml import MemorySource, XmlLimits, parse
from tests.support.pki import NOW, Pki, private_key, role_policy

OFFICE, HOME_AFFAIRS, WARD, OTHER_WARD = "H29.1", "H29.2", "H29.31.1", "H29.31.2"
AGENCIES = (
    "code,old_code,parent_code,kind,name,name_en",
    "H29,000.00.00.H29,,city,Ủy ban nhân dân Thành phố,",
    "H29.1,000.00.01.H29,H29,office,Văn phòng Ủy ban nhân dân Thành phố,",
    "H29.2,000.00.02.H29,H29,department,Sở Nội vụ,",
    "H29.31,000.00.31.H29,H29,district,Ủy ban nhân dân Quận 1,",
    "H29.31.1,000.01.31.H29,H29.31,ward,Ủy ban nhân dân Phường Bến Nghé,",
    "H29.31.2,000.02.31.H29,H29.31,ward,Ủy ban nhân dân Phường Bến Thành,",
)
SEALED = (OFFICE, HOME_AFFAIRS, WARD, OTHER_WARD)


@dataclass
class MovingClock:
    """A clock that the test turns; each look moves it on by a moment, as time does."""

    now: datetime = NOW
    step: timedelta = timedelta(milliseconds=2)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now


@dataclass
class SmallExchange:
    """The exchange, and everybody who uses it."""

    exchange: Exchange
    pki: Pki
    seals: dict[str, MemoryKey]
    clock: MovingClock
    failures: list[tuple[Task, Exception]] = field(default_factory=list)

    def caller(self, code: str, *scopes: Scope) -> Principal:
        """The principal of an agency; by default it may send and receive."""
        agency = self.exchange.directory.current().find(code)
        return Principal(UUID(int=agency.id), agency.id, agency.code, frozenset(scopes or (Scope.SEND, Scope.RECEIVE)))

    def sealed(self, message: Message, sealer: str | None = None) -> bytes:
        """The message under the seal of its sender, or of another agency."""
        key = self.seals[sealer or self.exchange.directory.current().find(message.sender.organ_id).code]
        return b"".join(seal_message(message, key, self.clock()).encoded_chunks())

    def sealed_with(self, message: DocumentMessage, *changes: tuple[str, str]) -> bytes:
        """The message with texts replaced that our strict writer would not write, then sealed by its sender."""
        text = b"".join(encode(message).encoded_chunks())
        for old, new in changes:
            assert old.encode() in text
            text = text.replace(old.encode(), new.encode())
        document = parse(text, XmlLimits())
        decoded = decode(document, MessageLimits())
        sign(
            document,
            decoded.parts,
            parent=decoded.header,
            key=self.seals[message.sender.organ_id],
            signing_time=self.clock(),
            signature_id="seal-1",
        )
        return b"".join(document.encoded_chunks())

    def submit(self, message: Message | bytes, code: str | None = None) -> Receipt:
        """Submit a message as its sender, or as another agency."""
        if not isinstance(message, bytes):
            code = code or message.sender.organ_id
            message = self.sealed(message)
        return Acceptance(self.exchange).submit(incoming_bytes(message), self.caller(code or OFFICE))

    def view(self, pk: UUID, code: str, *scopes: Scope) -> DocumentView:
        """The document as an agency sees it."""
        with read(self.exchange.engine) as connection:
            return find_document(connection, pk, self.caller(code, *scopes))

    def hand_over(self, pk: UUID, code: str) -> None:
        """Let a recipient take the document over."""
        hand_over(self.exchange, self.view(pk, code), self.caller(code))

    def work(self) -> int:
        """Let the worker do all that is due; returns how many tasks it took."""
        worker = Worker(self.exchange, lambda task, error: self.failures.append((task, error)))
        taken = 0
        while done := worker.run_once():
            taken += done
        return taken

    def export(self, pk: UUID, code: str, at: datetime | None = None) -> bytes:
        """The export of a document as an agency gets it."""
        out = io.BytesIO()
        export_document(self.exchange, self.view(pk, code), out, at or self.clock())
        return out.getvalue()

    @property
    def trust(self) -> AuditTrust:
        """What an auditor believes."""
        return AuditTrust(self.pki.anchors())

    def audit(self, data: bytes, at: datetime | None = None) -> AuditReport:
        """The verdict of an auditor who has nothing but the anchors."""
        return verify_file(MemorySource(data), "file", self.trust, AuditTime(at or self.clock(), at is not None))

    def audit_with_crls(self, data: bytes) -> AuditReport:
        """The verdict of an auditor who also has the CRLs, which a single file does not bring along."""
        trust = AuditTrust(self.pki.anchors(), tuple(self.pki.crls()))
        return verify_file(MemorySource(data), "file", trust, AuditTime(self.clock(), given=False))


@contextmanager
def small_exchange(
    folder: Path,
    *,
    url: str | None = None,
    store: ObjectStore | None = None,
    policy: Policy | None = None,
    observer: StepObserver | None = None,
    clock: MovingClock | None = None,
) -> Iterator[SmallExchange]:
    """Build one in ``folder``, on SQLite and local files unless told otherwise."""
    compile_all()
    pki, clock = Pki(), clock or MovingClock()
    engine = open_engine(url or f"sqlite:///{folder}/edoc.sqlite3")
    upgrade(engine)
    seals = {code: pki.seal(code, key=private_key("P-256", 30 + number)) for number, code in enumerate(SEALED)}
    exchange_seal = pki.certificate(
        "Document exchange",
        issuer=pki.issuing,
        agency_code="H29",
        extensions=[(role_policy(CertificateRole.EXCHANGE_SEAL), False)],
        key=private_key("P-256", 40),
    )
    directory = DirectoryCache(engine, clock)
    with write(engine) as connection:
        add_agencies(connection, read_agency_list(AGENCIES), date(2018, 1, 1))
    known = directory.current()
    with write(engine) as connection:
        bind_seals(connection, [_binding(known.find(code).id, key) for code, key in seals.items()])
    directory.refresh()
    validator = pki.validator()
    exchange = Exchange(
        engine=engine,
        store=store or LocalObjectStore(folder / "archive", retention=timedelta(0)),
        issuer=EvidenceIssuer(Party("H29", "Trục liên thông văn bản Thành phố"), exchange_seal),
        validator=lambda: validator,
        clock=clock,
        random=os.urandom,
        directory=directory,
        commits=GroupCommit(engine),
        policy=policy or Policy(),
        observer=observer or NoObserver(),
    )
    try:
        yield SmallExchange(exchange, pki, seals, clock)
    finally:
        engine.dispose()


def letter(number: int = 1, to: Sequence[str] = (WARD,), sender: str = OFFICE, **changes: object) -> DocumentMessage:
    """A letter of the city office."""
    code = Code(f"{number:02d}", "UBND-VX")
    on = date(2026, 11, 24)
    message = DocumentMessage(
        sender=Organization(sender, f"Cơ quan {sender}", organization_in_charge="Ủy ban nhân dân Thành phố"),
        recipients=tuple(Organization(each, f"Cơ quan {each}", organ_add="Thành phố Hồ Chí Minh") for each in to),
        document_id=f"{sender},{on:%Y/%m/%d},{code}",
        code=code,
        place="Thành phố Hồ Chí Minh",
        promulgation_date=on,
        document_type=DocumentType("Công văn"),
        subject="Về việc triển khai cải cách hành chính",
        content="Về việc triển khai cải cách hành chính",
        signer_info=SignerInfo("Nguyễn Văn Ví Dụ", "TL. CHỦ TỊCH", "CHÁNH VĂN PHÒNG"),
        attachments=(attachment(b"%PDF-1.7\n" + bytes(range(256)) * 4),),
    )
    return replace(message, **changes)  # type: ignore[arg-type]


def attachment(data: bytes, name: str = "cong-van.pdf", media_type: str = "application/pdf") -> Attachment:
    """One file."""
    return Attachment("att-1", name, media_type, MemoryContent(data))


def status(
    code: str,
    about: DocumentMessage,
    *,
    reporter: str = WARD,
    to: str | None = None,
    description: str | None = None,
    at: datetime = NOW,
) -> StatusMessage:
    """A business state of a letter, as its recipient reports it."""
    return StatusMessage(
        sender=Organization(reporter, f"Cơ quan {reporter}"),
        response_for=ResponseFor(
            to or about.sender.organ_id, str(about.code), about.document_id, about.promulgation_date
        ),
        status_code=code,
        timestamp=at.astimezone(VIETNAM).replace(microsecond=0),
        description=description,
    )


def _binding(agency_id: int, key: MemoryKey) -> SealBinding:
    der = key.certificate.public_bytes(Encoding.DER)
    return SealBinding(fingerprint(key.certificate), agency_id, der, NOW - timedelta(days=1), None)
