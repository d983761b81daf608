"""Agency codes."""

from __future__ import annotations

import pytest

from edoc.envelope.codes import CodeForm, code_form, is_code, normalize_code


@pytest.mark.parametrize(
    ("code", "form"),
    [
        ("000.00.15.H29", CodeForm.OLD),
        ("H29", CodeForm.NEW),
        ("H29.15.2", CodeForm.NEW),
        ("020123456789", CodeForm.ENTERPRISE),
        ("VXP.SAAS.03", CodeForm.OTHER),
        ("28.22.H17", CodeForm.OTHER),
        ("H29" + ".1" * 17, CodeForm.OTHER),
    ],
)
def test_the_form_of_a_code(code: str, form: CodeForm) -> None:
    assert code_form(code) is form


@pytest.mark.parametrize("code", ["H29", "h29.15", "000.00.15.H29", "a-b", "X" * 35])
def test_letters_digits_dots_and_hyphens_are_a_code(code: str) -> None:
    assert is_code(code)


@pytest.mark.parametrize("code", ["", "X" * 36, "H29/1", "H 29", "Đ29", "H29\n"])
def test_anything_else_is_no_code(code: str) -> None:
    assert not is_code(code)


def test_codes_are_compared_trimmed_and_in_upper_case() -> None:
    assert normalize_code(" h29.15 ") == "H29.15"
