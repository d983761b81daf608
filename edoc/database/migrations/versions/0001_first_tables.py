"""The first tables: directory, tokens, messages, documents, deliveries, evidence, events, outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# The names of constraints and indexes come from the naming convention of the metadata.
MOMENT = sa.DateTime(timezone=True)
SHA256_HEX = sa.String(64)
AGENCY_CODE = sa.String(35)


def upgrade() -> None:
    op.create_table(
        "agency",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("code", AGENCY_CODE, nullable=False, unique=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("name_en", sa.String(200)),
        sa.Column("parent_id", sa.Integer(), sa.ForeignKey("agency.id"), index=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date()),
    )
    op.create_table(
        "directory_version",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("topic", sa.String(30), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("available_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
    )
    op.create_index(None, "outbox", ["available_at", "id"])
    op.create_table(
        "access_token",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("token_sha256", SHA256_HEX, nullable=False, unique=True),
        sa.Column("agency_id", sa.Integer(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
    )
    op.create_table(
        "agency_alias",
        sa.Column("alias", AGENCY_CODE, primary_key=True),
        sa.Column("agency_id", sa.Integer(), sa.ForeignKey("agency.id"), nullable=False, index=True),
    )
    op.create_table(
        "agency_sequence",
        sa.Column("agency_id", sa.Integer(), sa.ForeignKey("agency.id"), primary_key=True, autoincrement=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "agency_succession",
        sa.Column("predecessor_id", sa.Integer(), sa.ForeignKey("agency.id"), primary_key=True),
        sa.Column("successor_id", sa.Integer(), sa.ForeignKey("agency.id"), primary_key=True, index=True),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("sha256", SHA256_HEX, nullable=False, unique=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("sender_id", sa.Integer(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("validation", sa.Text(), nullable=False),
    )
    op.create_table(
        "seal_binding",
        sa.Column("sha256", SHA256_HEX, primary_key=True),
        sa.Column("agency_id", sa.Integer(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", MOMENT, nullable=False),
        sa.Column("valid_to", MOMENT),
    )
    op.create_table(
        "document",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("message_id", sa.Uuid(), sa.ForeignKey("message.id"), nullable=False, unique=True),
        sa.Column("document_id", sa.String(800), nullable=False, unique=True),
        sa.Column("sender_id", sa.Integer(), sa.ForeignKey("agency.id"), nullable=False),
        sa.Column("number", sa.String(44), nullable=False),
        sa.Column("notation", sa.String(120), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("promulgation_date", sa.Date(), nullable=False),
        sa.Column("place", sa.String(200), nullable=False),
        sa.Column("type_name", sa.String(400), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("due_date", sa.Date()),
        sa.Column("signer_name", sa.String(200), nullable=False),
        sa.Column("signer_competence", sa.String(400)),
        sa.Column("signer_position", sa.String(400)),
        sa.Column("response_for", sa.Text(), nullable=False),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.Column("accepted_at", MOMENT, nullable=False),
    )
    op.create_index(None, "document", ["sender_id", "id"])
    op.create_index(None, "document", ["sender_id", "year", "number", "notation"])
    op.create_table(
        "attachment",
        sa.Column("document_pk", sa.Uuid(), sa.ForeignKey("document.id"), primary_key=True),
        sa.Column("position", sa.SmallInteger(), primary_key=True),
        sa.Column("content_id", sa.String(200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.String(200), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", SHA256_HEX, nullable=False),
        sa.Column("is_object", sa.Boolean(), nullable=False),
    )
    op.create_index(None, "attachment", ["sha256"])
    op.create_table(
        "delivery",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("document_pk", sa.Uuid(), sa.ForeignKey("document.id"), nullable=False),
        sa.Column("recipient_id", sa.Integer(), sa.ForeignKey("agency.id"), nullable=False),
        sa.Column("addressed_as", AGENCY_CODE, nullable=False),
        sa.Column("sender_id", sa.Integer(), sa.ForeignKey("agency.id"), nullable=False),
        sa.Column("type_name", sa.String(400), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("recipient_sequence", sa.BigInteger(), nullable=False),
        sa.Column("consigned_at", MOMENT, nullable=False),
        sa.Column("handed_over_at", MOMENT),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("state_at", MOMENT, nullable=False),
        sa.UniqueConstraint("document_pk", "recipient_id"),
    )
    op.create_index(None, "delivery", ["recipient_id", "id"])
    op.create_index(None, "delivery", ["recipient_id", "priority", "id"])
    op.create_index(None, "delivery", ["recipient_id", "sender_id", "id"])
    op.create_index(None, "delivery", ["recipient_id", "state", "id"])
    op.create_index(None, "delivery", ["recipient_id", "type_name", "id"])
    op.create_table(
        "event",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agency_id", sa.Integer(), sa.ForeignKey("agency.id"), nullable=False),
        sa.Column("agency_sequence", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(30), nullable=False),
        sa.Column("document_pk", sa.Uuid(), sa.ForeignKey("document.id")),
        sa.Column("delivery_id", sa.Uuid(), sa.ForeignKey("delivery.id")),
        sa.Column("message_sha256", SHA256_HEX, nullable=False),
        sa.Column("evidence_sha256", SHA256_HEX),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.UniqueConstraint("agency_id", "agency_sequence"),
    )
    op.create_index(None, "event", ["document_pk", "id"])
    op.create_table(
        "evidence",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("sha256", SHA256_HEX, nullable=False, unique=True),
        sa.Column("occasion", sa.String(200), nullable=False, unique=True),
        sa.Column("type", sa.String(30), nullable=False),
        sa.Column("document_pk", sa.Uuid(), sa.ForeignKey("document.id")),
        sa.Column("delivery_id", sa.Uuid(), sa.ForeignKey("delivery.id"), index=True),
        sa.Column("message_sha256", SHA256_HEX, nullable=False),
        sa.Column("previous_sha256", SHA256_HEX),
        sa.Column("issued_at", MOMENT, nullable=False),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("archived_at", MOMENT),
    )
    op.create_index(None, "evidence", ["document_pk", "id"])
    op.create_table(
        "status_report",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("message_id", sa.Uuid(), sa.ForeignKey("message.id"), nullable=False, unique=True),
        sa.Column("delivery_id", sa.Uuid(), sa.ForeignKey("delivery.id"), nullable=False),
        sa.Column("reporter_id", sa.Integer(), sa.ForeignKey("agency.id"), nullable=False),
        sa.Column("occasion", sa.String(200), nullable=False, unique=True),
        sa.Column("code", sa.String(2), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("reported_at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("by_exchange", sa.Boolean(), nullable=False),
    )
    op.create_index(None, "status_report", ["delivery_id", "id"])


def downgrade() -> None:
    for table in (
        "status_report",
        "evidence",
        "event",
        "delivery",
        "attachment",
        "document",
        "seal_binding",
        "message",
        "agency_succession",
        "agency_sequence",
        "agency_alias",
        "access_token",
        "outbox",
        "directory_version",
        "agency",
    ):
        op.drop_table(table)
