"""The tables. Rows hold facts, objects hold content: all of this can be rebuilt from the archive and the log.

Primary keys that outside callers see are UUIDs of version 7 (RFC 9562), so that they sort by time. Every query has
an index made for it; names of constraints follow one convention, so that migrations can refer to them.
History is appended: the only columns that change are a delivery's present state, validity ends, and where an
evidence body lies.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from edoc.database.types import UtcDateTime

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

SHA256_HEX = String(64)
AGENCY_CODE = String(35)


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class AgencyRow(Base):
    """An agency of the directory; never deleted, only closed."""

    __tablename__ = "agency"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(AGENCY_CODE, unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(200))
    name_en: Mapped[str | None] = mapped_column(String(200))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("agency.id"), index=True)
    valid_from: Mapped[date] = mapped_column(Date)
    valid_to: Mapped[date | None] = mapped_column(Date)
    """The first day on which the agency is no more."""


class AgencyAliasRow(Base):
    """Another code under which an agency is addressed, such as its old one."""

    __tablename__ = "agency_alias"

    alias: Mapped[str] = mapped_column(AGENCY_CODE, primary_key=True)
    agency_id: Mapped[int] = mapped_column(ForeignKey("agency.id"), index=True)


class AgencySuccessionRow(Base):
    """Which agencies took over from which."""

    __tablename__ = "agency_succession"

    predecessor_id: Mapped[int] = mapped_column(ForeignKey("agency.id"), primary_key=True)
    successor_id: Mapped[int] = mapped_column(ForeignKey("agency.id"), primary_key=True, index=True)


class SealBindingRow(Base):
    """A certificate with which an agency may seal, from and until when."""

    __tablename__ = "seal_binding"

    sha256: Mapped[str] = mapped_column(SHA256_HEX, primary_key=True)
    """Fingerprint of the certificate."""
    agency_id: Mapped[int] = mapped_column(ForeignKey("agency.id"), index=True)
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    """DER."""
    valid_from: Mapped[datetime] = mapped_column(UtcDateTime)
    valid_to: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DirectoryVersionRow(Base):
    """One row, whose number rises with every change of the directory, so that caches know."""

    __tablename__ = "directory_version"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)


class AccessTokenRow(Base):
    """A bearer token; only its digest is kept."""

    __tablename__ = "access_token"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    token_sha256: Mapped[str] = mapped_column(SHA256_HEX, unique=True)
    agency_id: Mapped[int] = mapped_column(ForeignKey("agency.id"), index=True)
    scopes: Mapped[str] = mapped_column(String(200))
    """Space-separated."""
    label: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class MessageRow(Base):
    """A message that was accepted, as an object of the archive."""

    __tablename__ = "message"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    sha256: Mapped[str] = mapped_column(SHA256_HEX, unique=True)
    size: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(10))
    sender_id: Mapped[int] = mapped_column(ForeignKey("agency.id"), index=True)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    validation: Mapped[str] = mapped_column(Text)
    """The validation reports of its signatures, JSON."""


class DocumentRow(Base):
    """An official letter."""

    __tablename__ = "document"
    __table_args__ = (
        Index(None, "sender_id", "id"),
        Index(None, "sender_id", "year", "number", "notation"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    message_id: Mapped[UUID] = mapped_column(ForeignKey("message.id"), unique=True)
    document_id: Mapped[str] = mapped_column(String(800), unique=True)
    """DocumentId of the format: NFC, trimmed."""
    sender_id: Mapped[int] = mapped_column(ForeignKey("agency.id"))
    number: Mapped[str] = mapped_column(String(44))
    notation: Mapped[str] = mapped_column(String(120))
    year: Mapped[int] = mapped_column(SmallInteger)
    promulgation_date: Mapped[date] = mapped_column(Date)
    place: Mapped[str] = mapped_column(String(200))
    type_name: Mapped[str] = mapped_column(String(400))
    subject: Mapped[str] = mapped_column(Text)
    content: Mapped[str] = mapped_column(Text)
    priority: Mapped[int] = mapped_column(SmallInteger)
    due_date: Mapped[date | None] = mapped_column(Date)
    signer_name: Mapped[str] = mapped_column(String(200))
    signer_competence: Mapped[str | None] = mapped_column(String(400))
    signer_position: Mapped[str | None] = mapped_column(String(400))
    response_for: Mapped[str] = mapped_column(Text)
    """The documents it answers, JSON."""
    warnings: Mapped[str] = mapped_column(Text)
    """What the reader let pass, JSON."""
    accepted_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AttachmentRow(Base):
    """A file of a document."""

    __tablename__ = "attachment"
    __table_args__ = (Index(None, "sha256"),)

    document_pk: Mapped[UUID] = mapped_column(ForeignKey("document.id"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    """From 0, in the order of the message."""
    content_id: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(SHA256_HEX)
    is_object: Mapped[bool]
    """Whether the archive holds it as an object of its own; else it is read out of the message."""


class DeliveryRow(Base):
    """One document to one recipient."""

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("document_pk", "recipient_id"),
        Index(None, "recipient_id", "id"),
        Index(None, "recipient_id", "state", "id"),
        Index(None, "recipient_id", "sender_id", "id"),
        Index(None, "recipient_id", "type_name", "id"),
        Index(None, "recipient_id", "priority", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    document_pk: Mapped[UUID] = mapped_column(ForeignKey("document.id"))
    recipient_id: Mapped[int] = mapped_column(ForeignKey("agency.id"))
    addressed_as: Mapped[str] = mapped_column(AGENCY_CODE)
    """The OrganId as the message has it."""
    sender_id: Mapped[int] = mapped_column(ForeignKey("agency.id"))
    type_name: Mapped[str] = mapped_column(String(400))
    priority: Mapped[int] = mapped_column(SmallInteger)
    recipient_sequence: Mapped[int] = mapped_column(BigInteger)
    """The consignment's number among the recipient's events."""
    consigned_at: Mapped[datetime] = mapped_column(UtcDateTime)
    handed_over_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(10))
    """``consigned`` or the two digits of the present business state."""
    state_at: Mapped[datetime] = mapped_column(UtcDateTime)


class EvidenceRow(Base):
    """A statement sealed by the exchange."""

    __tablename__ = "evidence"
    __table_args__ = (Index(None, "document_pk", "id"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    sha256: Mapped[str] = mapped_column(SHA256_HEX, unique=True)
    occasion: Mapped[str] = mapped_column(String(200), unique=True)
    """What it states, once and for all: ``acceptance:<message digest>``, ``handover:<delivery>`` ..."""
    type: Mapped[str] = mapped_column(String(30))
    document_pk: Mapped[UUID | None] = mapped_column(ForeignKey("document.id"))
    delivery_id: Mapped[UUID | None] = mapped_column(ForeignKey("delivery.id"), index=True)
    message_sha256: Mapped[str] = mapped_column(SHA256_HEX)
    previous_sha256: Mapped[str | None] = mapped_column(SHA256_HEX)
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The sealed XML until the worker has archived it as an object; then None."""
    archived_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class StatusReportRow(Base):
    """A business state that one agency told another."""

    __tablename__ = "status_report"
    __table_args__ = (Index(None, "delivery_id", "id"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    message_id: Mapped[UUID] = mapped_column(ForeignKey("message.id"), unique=True)
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("delivery.id"))
    reporter_id: Mapped[int] = mapped_column(ForeignKey("agency.id"))
    occasion: Mapped[str] = mapped_column(String(200), unique=True)
    """Delivery, reporter and code; with the message digest for codes that may repeat."""
    code: Mapped[str] = mapped_column(String(2))
    description: Mapped[str | None] = mapped_column(Text)
    reported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """What the reporter says."""
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    by_exchange: Mapped[bool]
    """Whether the exchange reported it for the agency (arrival)."""


class EventRow(Base):
    """One thing that happened, for the log: written in the transaction that makes it happen."""

    __tablename__ = "event"
    __table_args__ = (UniqueConstraint("agency_id", "agency_sequence"), Index(None, "document_pk", "id"))

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    agency_id: Mapped[int] = mapped_column(ForeignKey("agency.id"))
    """The agency that acted, or to which a delivery was consigned."""
    agency_sequence: Mapped[int] = mapped_column(BigInteger)
    """Gap-free from 1 for each agency."""
    type: Mapped[str] = mapped_column(String(30))
    document_pk: Mapped[UUID | None] = mapped_column(ForeignKey("document.id"))
    delivery_id: Mapped[UUID | None] = mapped_column(ForeignKey("delivery.id"))
    message_sha256: Mapped[str] = mapped_column(SHA256_HEX)
    evidence_sha256: Mapped[str | None] = mapped_column(SHA256_HEX)
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AgencySequenceRow(Base):
    """The last event number of each agency."""

    __tablename__ = "agency_sequence"

    agency_id: Mapped[int] = mapped_column(ForeignKey("agency.id"), primary_key=True, autoincrement=False)
    value: Mapped[int] = mapped_column(BigInteger)


class OutboxRow(Base):
    """Work promised in a transaction and done after it by the worker, at least once."""

    __tablename__ = "outbox"
    __table_args__ = (Index(None, "available_at", "id"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    topic: Mapped[str] = mapped_column(String(30))
    subject: Mapped[UUID] = mapped_column(Uuid)
    """The evidence to archive, or the delivery whose arrival to report."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    available_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Not before; pushed into the future by a lease or a failed attempt."""
    attempts: Mapped[int] = mapped_column(Integer)
