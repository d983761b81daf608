"""What of a request the service holds to HTTP/1.1; how it does so on a connection, the integration tests show."""

from __future__ import annotations

import pytest

from api.http_requests import is_host


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "edoc_app:8080",
        "truc.example.gov.vn",
        "EXAMPLE.vn:",
        "127.0.0.1:443",
        "[::1]",
        "[2001:DB8::7]:65535",
        "a%20b",
    ],
)
def test_a_host_may_have_a_port(value: str) -> None:
    assert is_host(value)


@pytest.mark.parametrize(
    "value",
    ["", ":80", "a b", "a/b", "a@b", "http://a", "a:b", "a:80:80", "a:65536", "a:123456", "::1", "[::1", "[12345::]",
     "[]", "a,b c", "<x>", "%zz", "á"],
)  # fmt: skip
def test_what_is_no_host_is_none(value: str) -> None:
    assert not is_host(value)
