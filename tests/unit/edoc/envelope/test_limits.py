"""The limits of an exchange that reads its own archive are never below what any exchange may be set to accept."""

from __future__ import annotations

import pytest
from annotated_types import Le

from api.config import Settings
from edoc.audit import files
from edoc.envelope.limits import MessageLimits, limits_of_archived
from signing.xml import parse


def most_of(setting: str) -> int:
    """The most that the setting allows."""
    (most,) = [each.le for each in Settings.model_fields[setting].metadata if isinstance(each, Le)]
    assert isinstance(most, int)
    return most


@pytest.mark.parametrize(
    ("setting", "limit"),
    [
        ("max_body_bytes", limits_of_archived().xml.max_bytes),
        ("max_attachment_bytes", limits_of_archived().max_attachment_bytes),
        ("max_attachment_bytes", limits_of_archived().max_total_attachment_bytes),
        ("max_attachments", limits_of_archived().max_attachments),
        ("max_recipients", limits_of_archived().max_recipients),
    ],
)
def test_what_a_setting_allows_can_be_read_out_of_the_archive(setting: str, limit: int) -> None:
    assert limit >= most_of(setting)


def test_a_reader_of_exports_allows_as_many_recipients_and_files_as_the_archive() -> None:
    archived, of_reader = limits_of_archived(), files.limits_for(1)
    assert of_reader.max_recipients == archived.max_recipients
    assert of_reader.max_attachments == archived.max_attachments


def test_what_costs_and_cannot_be_set_stays_limited_as_usual() -> None:
    usual, archived = MessageLimits(), limits_of_archived()
    assert archived.xml.max_skeleton_bytes == usual.xml.max_skeleton_bytes
    assert archived.max_unzipped_bytes == usual.max_unzipped_bytes


def test_what_was_accepted_before_there_was_a_limit_on_attributes_stays_readable() -> None:
    wide = " ".join(f'a{number}=""' for number in range(1000))
    assert parse(f"<a {wide}/>".encode(), limits_of_archived().xml).root.tag == "a"
