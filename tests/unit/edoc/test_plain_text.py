"""Which characters a line of text from outside may not hold."""

from __future__ import annotations

import pytest

from edoc.plain_text import unfit_character


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\x00", "U+0000"),
        ("a\x00b", "U+0000"),
        ("a\nb", "U+000A"),
        ("a\x7f", "U+007F"),
        ("a\x85", "U+0085"),
        ("\ud800", "U+D800"),
        ("a\udcff\x00", "U+DCFF"),
    ],
)
def test_control_characters_and_halves_of_pairs_are_named(text: str, found: str) -> None:
    assert unfit_character(text) == found


@pytest.mark.parametrize("text", ["", "Công văn", "Quyết định (cá biệt)", "a\u200bb", "a\xa0b", "\U0001f4dc"])
def test_other_text_is_fit(text: str) -> None:
    assert unfit_character(text) is None
