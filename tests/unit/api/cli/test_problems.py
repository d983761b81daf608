"""Every error that the project raises is one line with a remedy and an exit code."""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
from collections.abc import Iterator

import pytest

import api
import edoc
import keys
import schemas
import signing
from api.cli.errors import ExitCode
from api.cli.problems import describe, find_entry
from api.client import ExchangeUnreachableError, RefusedByExchangeError
from api.errors import ApiError
from api.rest.remedies import REMEDIES
from edoc.acceptance.errors import VerificationUnavailableError
from edoc.access.errors import InvalidTokenError
from edoc.errors import EdocError, ObjectCorruptError
from keys.errors import KeysError, NoTrustAnchorsError, RevocationUnknownError
from schemas.errors import SchemaError
from signing.errors import SigningError

ROOTS: tuple[type[Exception], ...] = (ApiError, EdocError, KeysError, SchemaError, SigningError)


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for each in kind.__subclasses__():
        yield from subclasses(each)


def all_errors() -> list[type[Exception]]:
    for package in (api, edoc, keys, schemas, signing):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.rpartition(".")[2] == "errors" or module.name == "api.client":
                importlib.import_module(module.name)
    return sorted({each for root in ROOTS for each in subclasses(root)}, key=lambda each: each.__qualname__)


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__qualname__)
def test_every_error_class_has_words_in_both_languages(kind: type[Exception]) -> None:
    entry = find_entry(kind)
    assert entry is not None
    for text in (entry.title, entry.remedy):
        assert text.vi
        assert text.en


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (NoTrustAnchorsError, ExitCode.USAGE),
        (RevocationUnknownError, ExitCode.INDETERMINATE),
        (VerificationUnavailableError, ExitCode.INDETERMINATE),
        (ExchangeUnreachableError, ExitCode.INPUT_OUTPUT),
        (FileNotFoundError, ExitCode.INPUT_OUTPUT),
        (InvalidTokenError, ExitCode.USAGE),
        (ObjectCorruptError, ExitCode.BAD),
    ],
)
def test_exit_codes_tell_the_kinds_of_failure_apart(kind: type[Exception], code: ExitCode) -> None:
    entry = find_entry(kind)
    assert entry is not None
    assert entry.exit_code is code


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "space"),
        (errno.EDQUOT, "space"),
        (errno.EACCES, "permissions"),
        (errno.EPERM, "permissions"),
        (errno.EROFS, "permissions"),
        (errno.ENOENT, "path"),
        (errno.EEXIST, "another name"),
        (errno.EIO, "reason"),
    ],
)
def test_what_helps_against_an_error_of_the_system_goes_by_its_number(number: int, remedy: str) -> None:
    problem = describe(OSError(number, os.strerror(number), "file"))
    assert problem is not None
    told = [each for each in ("space", "permissions", "path", "another name", "reason") if each in problem.remedy.en]
    assert told == [remedy]


def test_an_error_of_the_system_without_a_number_is_told() -> None:
    problem = describe(OSError("it failed"))
    assert problem is not None
    assert "it failed" in problem.what.en


def test_what_nobody_foresaw_is_not_hidden() -> None:
    assert describe(ZeroDivisionError()) is None


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, "token", ExitCode.USAGE),
        (403, "scope", ExitCode.BAD),
        (404, "not-found", ExitCode.BAD),
        (422, "refused", ExitCode.BAD),
        (500, "internal", ExitCode.INPUT_OUTPUT),
        (503, "verification-unavailable", ExitCode.INDETERMINATE),
    ],
)
def test_a_refusal_of_the_exchange_ends_with_its_code(status: int, kind: str, code: ExitCode) -> None:
    errors = [{"code": "N.Signature", "field": "Signature", "reason": "no seal", "remedy": "seal it"}]
    problem = describe(RefusedByExchangeError(status, kind, "title", "detail", {"errors": errors}))
    assert problem is not None
    assert problem.exit_code is code
    assert "Signature: no seal" in problem.what.en
    assert problem.remedy.en == "seal it"


@pytest.mark.parametrize(
    ("status", "kind"), [(403, "scope"), (404, "not-found"), (409, "conflict"), (413, "too-large")]
)
def test_what_helps_against_a_refusal_is_what_the_exchange_says(status: int, kind: str) -> None:
    problem = describe(RefusedByExchangeError(status, kind, "title", "detail", {}))
    assert problem is not None
    assert (problem.remedy.vi, problem.remedy.en) == (REMEDIES[kind].vi, REMEDIES[kind].en)
