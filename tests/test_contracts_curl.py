"""The curl command that repeats a request is quoted correctly for bash."""

from __future__ import annotations

import subprocess

import pytest
from sarkmock_contracts.client.formats import curl_line
from sarkmock_contracts.client.http import Request

URL = "https://127.0.0.1:44300/api"
SPY = 'curl() { printf "%s\\0" "$@"; if [ "${!#}" = @- ]; then cat; fi; }\n'


def arguments(request: Request) -> list[bytes]:
    line = curl_line(URL, request)
    assert "\n" not in line
    return subprocess.run(["bash", "-c", SPY + line], capture_output=True, check=True).stdout.split(b"\0", 20)


@pytest.mark.parametrize("body", [
    b'{"a": "b"}', b"it's \"quoted\" \\ $HOME `date` !", "ünïcödé 名前".encode(), b"two\nlines\r\n\ttab",
    b"\x1b[0m\x7f", b"-d",
])
def test_text_body_is_passed_as_argument(body: bytes) -> None:
    words = arguments(Request("PUT", "/tenants/a%20b", "x=1&y='", (("Content-Type", "application/json"),), body))
    assert words[:5] == [b"-sk", b"--path-as-is", b"-X", b"PUT", b"https://127.0.0.1:44300/api/tenants/a%20b?x=1&y='"]
    assert words[-2] == body


@pytest.mark.parametrize("body", [b"\x00\xff", b"@file", b"a\x00b"])
def test_binary_body_is_passed_on_standard_input(body: bytes) -> None:
    words = b"\0".join(arguments(Request("POST", "/greetings", "", (), body)))
    assert words.endswith(b"--data-binary\0@-\0" + body)


def test_head_request_uses_option_head() -> None:
    assert b"-I" in arguments(Request("HEAD", "/tenants"))
