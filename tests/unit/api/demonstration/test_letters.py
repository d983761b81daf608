"""The letters are complete, embed their font, and depend on their arguments alone."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest

from api.demonstration.agencies import bulletin_paragraphs
from api.demonstration.letters import bulletin_letter_pdf, invitation_pdf
from tests.support.letters import CREATED, LETTERHEAD, MEETING


@pytest.fixture(scope="module")
def letter() -> bytes:
    return bulletin_letter_pdf(LETTERHEAD, bulletin_paragraphs(), created=CREATED)


def test_letter_has_several_pages_and_says_it_is_vietnamese(letter: bytes) -> None:
    assert letter.startswith(b"%PDF-1.")
    assert re.search(rb"/Count 3\b", letter)
    assert b"/Lang (vi)" in letter


def test_fonts_are_embedded_as_subsets(letter: bytes) -> None:
    assert set(re.findall(rb"/BaseFont /(\S+)", letter)) == {b"MPDFAA+NotoSerif", b"MPDFAA+NotoSerifItalic"}
    assert b"/FontFile2" in letter
    assert len(letter) < 100_000


def test_same_arguments_give_the_same_bytes(letter: bytes) -> None:
    assert bulletin_letter_pdf(LETTERHEAD, bulletin_paragraphs(), created=CREATED) == letter


def test_creation_date_is_the_callers(letter: bytes) -> None:
    later = bulletin_letter_pdf(LETTERHEAD, bulletin_paragraphs(), created=CREATED + timedelta(seconds=1))
    assert b"D:20260302080000+07'00'" in letter
    assert b"D:20260302080001+07'00'" in later


def test_invitation_fits_on_one_page() -> None:
    invitation = invitation_pdf(replace(LETTERHEAD, type_name="Giấy mời"), MEETING, created=CREATED)
    assert re.search(rb"/Count 1\b", invitation)


def test_letter_of_an_agency_without_one_above_and_of_a_signer_in_nobodys_place() -> None:
    signer = replace(LETTERHEAD.signer, capacity=None)
    letterhead = replace(LETTERHEAD, governing_agency=None, signer=signer, issued=date(2026, 12, 24))
    assert bulletin_letter_pdf(letterhead, ("Một câu.",), created=CREATED).startswith(b"%PDF")
