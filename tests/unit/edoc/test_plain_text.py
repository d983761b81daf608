"""Which characters a line of text from outside may not hold."""

from __future__ import annotations

import pytest

from edoc.plain_text import has_visible_text, unfit_character


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


@pytest.mark.parametrize(
    "text",
    ["", " \t\n", "\u202e", "\u200b\u200d\ufeff", "\xa0\u3000", "\xad", "\u2028", "\u2066\u2069", "\u3164", "\u2800",
     "\ufe0f", "\u034f", "\U000e0041", "\u0301", "\x00"],
)  # fmt: skip
def test_blanks_and_invisible_characters_alone_show_nothing(text: str) -> None:
    assert not has_visible_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "Đã tiếp nhận",
        "a",
        "\u202ea",
        ".",
        "15",
        "a\u0301",
        "\U0001f468\u200d\U0001f4bb",
        "✓",
        "可",
        "한",
        "ก็",
        "\ue000",
    ],
)
def test_whatever_can_be_read_shows_something(text: str) -> None:
    assert has_visible_text(text)
