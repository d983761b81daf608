"""The code lists of the format."""

from __future__ import annotations

import pytest

from edoc.envelope.model import BussinessDocType, Priority, SteeringType
from schemas import CodeListName, code_list


@pytest.mark.parametrize("name", CodeListName)
def test_every_entry_has_both_names_and_a_source(name: CodeListName) -> None:
    entries = code_list(name).entries
    assert entries
    assert all(entry.name_vi and entry.name_en and entry.source for entry in entries)


@pytest.mark.parametrize("name", CodeListName)
def test_every_list_names_its_source_and_version(name: CodeListName) -> None:
    assert code_list(name).source
    assert code_list(name).version


@pytest.mark.parametrize("name", CodeListName)
def test_no_code_is_listed_twice(name: CodeListName) -> None:
    found = code_list(name)
    assert len(found.by_code) == len(found.entries)


def test_the_decree_has_29_types_and_three_forms_of_copies() -> None:
    entries = code_list(CodeListName.DOCUMENT_TYPES).entries
    assert [entry.code for entry in entries if entry.kind is None] == [str(number) for number in range(1, 30)]
    assert [entry.abbreviation for entry in entries if entry.kind == "copy"] == ["SY", "TrS", "SL"]


def test_no_two_types_share_an_abbreviation() -> None:
    found = [each.abbreviation for each in code_list(CodeListName.DOCUMENT_TYPES).entries if each.abbreviation]
    assert len(set(found)) == len(found)


def test_an_invitation_is_type_23() -> None:
    entry = code_list(CodeListName.DOCUMENT_TYPES).by_code["23"]
    assert (entry.name_vi, entry.abbreviation) == ("Giấy mời", "GM")


def test_only_a_take_back_is_sent_by_the_sender_of_the_document() -> None:
    assert [each.code for each in code_list(CodeListName.STATUS_CODES).entries if each.sent_by == "sender"] == ["13"]


def test_refusals_and_take_backs_need_a_reason() -> None:
    entries = code_list(CodeListName.STATUS_CODES).entries
    assert [entry.code for entry in entries if entry.needs_description] == ["02", "13", "16"]


def test_a_document_is_done_when_refused_or_finished() -> None:
    assert [each.code for each in code_list(CodeListName.STATUS_CODES).entries if each.final] == ["02", "06"]


@pytest.mark.parametrize(
    ("name", "members"),
    [
        (CodeListName.PRIORITIES, Priority),
        (CodeListName.BUSINESS_TYPES, BussinessDocType),
        (CodeListName.STEERING_TYPES, SteeringType),
    ],
)
def test_lists_and_enumerations_have_the_same_codes(
    name: CodeListName, members: type[Priority | BussinessDocType | SteeringType]
) -> None:
    assert [int(entry.code) for entry in code_list(name).entries] == [int(member) for member in members]
