"""What goes to the terminal."""

from __future__ import annotations

import json

import pytest

from api.cli.errors import ExitCode, Problem
from api.cli.language import Language, Text, language_of
from api.cli.output import Branch, Mark, Output, pad, printable


def english(*, as_json: bool = False) -> Output:
    return Output(as_json=as_json, language=Language.ENGLISH)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Giấy mời họp", "Giấy mời họp"),
        ("red \x1b[31m", "red \\u001b[31m"),
        ("C1 \x9b31m", "C1 \\u009b31m"),
        ("gnp.\u202eexe", "gnp.\\u202eexe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("nul\x00", "nul\\u0000"),
        ("lone \ud800", "lone \\ud800"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
    ],
)
def test_nothing_from_outside_steers_the_terminal(capsys: pytest.CaptureFixture[str], text: str, shown: str) -> None:
    assert printable(text) == shown
    english().line(text)
    assert capsys.readouterr().out == f"{shown}\n"


def test_with_json_standard_output_is_exactly_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    output = english(as_json=True)
    output.line("text")
    output.facts([("a", "b")])
    output.table(["a"], [["b"]])
    output.tree(Branch("a"))
    output.note("beside")
    with output.progress("working", 3) as advance:
        advance(1)
    output.document({"tên": "Sở Nội vụ", "markup": "[red]"})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"tên": "Sở Nội vụ", "markup": "[red]"}
    assert captured.err == ""


def test_json_steers_no_terminal_and_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": "C1 \x9b31m gnp.\u202eexe \ud800 \U000e0001 Giấy mời"}
    english(as_json=True).document(value)
    out = capsys.readouterr().out
    assert json.loads(out) == value
    assert out.isprintable() or printable(out) == out
    assert "Giấy mời" in out


def test_a_cell_of_a_table_is_one_cell_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    english().table(["a", "b"], [["x\ty", "1\n2"]])
    assert capsys.readouterr().out == "a\tb\nx y\t1 2\n"


def test_no_text_from_outside_looks_like_a_line_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    output = english()
    forged = "Urgent\nSender   The city"
    output.facts([("Subject", forged), ("Sender", "A ward")])
    assert capsys.readouterr().out == "Subject  Urgent\n         Sender The city\nSender   A ward\n"
    output.line(f"message: {forged}", mark=Mark.BAD)
    output.tree(Branch("root", below=(Branch(forged),)))
    output.line(output.say(Text("{x}", "{x}"), x=forged))
    assert [line for line in capsys.readouterr().out.splitlines() if line.lstrip(" └─").startswith("Sender")] == []


def test_an_error_is_one_line_and_with_json_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    what = Text("hỏng\nnặng", "broken\nbadly")
    problem = Problem("broken", what, "a\x1bfile", Text("sửa", "mend it"), ExitCode.BAD)
    english(as_json=True).problem(problem)
    captured = capsys.readouterr()
    assert captured.err == "edoc: error: broken badly (a\\u001bfile). → mend it\n"
    assert json.loads(captured.out)["error"] == {
        "code": "broken",
        "what": "broken\nbadly",
        "where": "a\x1bfile",
        "remedy": "mend it",
        "exit_code": 1,
    }
    Output(as_json=False, language=Language.VIETNAMESE).problem(problem)
    assert capsys.readouterr().err == "edoc: lỗi: hỏng nặng (a\\u001bfile). → sửa\n"


def test_without_a_terminal_tables_are_lines_and_nothing_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output = english()
    output.table(["Code", "Name"], [["H29.1", "x" * 300], ["H29.2", "Sở Nội vụ"]])
    output.tree(Branch("all", Mark.BAD, (Branch("y" * 300, Mark.GOOD), Branch("note", Mark.NOTE))))
    assert capsys.readouterr().out.splitlines() == [
        "Code\tName",
        f"H29.1\t{'x' * 300}",
        "H29.2\tSở Nội vụ",
        "✗ all",
        f"  ✓ {'y' * 300}",
        "  · note",
    ]


def test_marks_differ_without_colour() -> None:
    assert len({mark.sign for mark in Mark}) == len(Mark)


def test_names_are_padded_by_what_they_take_on_a_terminal() -> None:
    assert pad("Sở", 4) == "Sở  "


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, Language.ENGLISH),
        ({"LANG": "vi_VN.UTF-8"}, Language.VIETNAMESE),
        ({"LANG": "vi_VN", "LC_ALL": "C"}, Language.ENGLISH),
        ({"LC_MESSAGES": "vi", "LANG": "en_US"}, Language.VIETNAMESE),
        ({"LC_ALL": "", "LANG": "vi"}, Language.VIETNAMESE),
    ],
)
def test_the_locale_chooses_the_language(environment: dict[str, str], language: Language) -> None:
    assert language_of(environment) is language
