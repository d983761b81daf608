"""JSON that callers send, read as one meaning or refused.

Of two members of one name most programs take the last, some the first: what the caller's own side checked and what the
exchange seals could differ (RFC 8259 section 4). So there may be one of each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, TypeVar

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from api.rest.errors import InvalidRequestError
from api.rest.models import Input
from edoc.errors import Violation

MOST_BYTES: Final = 1 << 20
"""Of JSON that is read, as a body or as a part of a form."""

_Wanted = TypeVar("_Wanted", bound=Input)


class _Members(list[tuple[str, Any]]):
    """The members of an object, in their order, those of one name too."""


def read_body(shape: type[_Wanted]) -> _Wanted:
    """The body of the request, which is JSON.

    Raises:
        RequestEntityTooLarge: it has more than :data:`MOST_BYTES`, or than any body may have.
        ValidationError: it is no JSON, or not of that shape.
        InvalidRequestError: it has two members of one name.
    """
    request.max_content_length = min(MOST_BYTES, request.max_content_length or MOST_BYTES)
    try:
        text = request.get_data(cache=False)
    except RequestEntityTooLarge as error:  # werkzeug says so without a number
        raise RequestEntityTooLarge(f"JSON has at most {MOST_BYTES} bytes") from error
    return read_json(shape, text)


def read_json(shape: type[_Wanted], text: str | bytes) -> _Wanted:
    """What is of that shape in JSON.

    Raises:
        ValidationError: it is no JSON, or not of that shape.
        InvalidRequestError: it has two members of one name.
    """
    wanted = shape.model_validate_json(text)  # first, since it bounds the depth and knows the names
    # Numbers stay text: one of more digits than Python takes may stand in a member that another one overrides.
    members = json.loads(text, object_pairs_hook=_Members, parse_int=str, parse_float=str)
    if twice := next(_named_twice(members, ()), None):
        reason, remedy = "the object has more than one member of this name", "send one of them"
        raise InvalidRequestError((Violation(f"M.{twice}", twice, reason, remedy, "single"),))
    return wanted


def _named_twice(value: object, path: tuple[str, ...]) -> Iterator[str]:
    """The fields of which there is more than one, as the errors of other rules name them; the outermost first."""
    if isinstance(value, _Members):
        seen: set[str] = set()
        for name, _ in value:
            if name in seen:
                yield ".".join((*path, name))
            seen.add(name)
        for name, each in value:
            yield from _named_twice(each, (*path, name))
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from _named_twice(each, (*path, str(position)))
