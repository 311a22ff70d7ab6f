"""Credentials in a URL are never printed, whatever the scheme, and wherever a command trips over it."""

from __future__ import annotations

import sys

import pytest
from sarkmock_contracts.errors import CannotRun
from sarkmock_contracts.judge.examples import open_database

from sarkmock.cli import main
from sarkmock.redaction import without_credentials

SECRET = "s3cr3tpw"
URLS = ["https://joe:{}@127.0.0.1:1/api", "ftp://joe:{}@10.0.0.1/api", "joe:{}@10.0.0.1/api", "https//joe:{}@h/api",
        "HTTPS:joe:{}@h", "://joe:{}@h", "https://joe:{}@[::1/api", "file://joe:{}@h/x", "jdbc:mysql://joe:{}@h/x",
        "https://{}@h/api", "https://joe:a:{}@h"]
COMMANDS = [["check"], ["baseline", "-o", "/nonexistent/x.sark"], ["import"], ["compare", "documented"],
            ["export", "curl", "--base-url"], ["serve", "--seed"],
            ["spec", "--profile"], ["proxy"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("url", URLS)
def test_credentials_are_not_printed(command: list[str], url: str, monkeypatch: pytest.MonkeyPatch,
                                     capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["sarkmock", *command, url.format(SECRET)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = "".join(capfd.readouterr())
    assert ended.value.code == 2
    assert told.startswith("sarkmock: ")
    assert SECRET not in told


@pytest.mark.parametrize(("text", "shown"), [
    ("https://a:b@h/x is wrong", "https://REDACTED@h/x is wrong"), ("'a:b@h'", "REDACTED@h'"),
    ("--login joe@example.com: unknown user or wrong password", None), ("nothing to hide", None), ("a: b@c", None),
    ("redis://:pw@h", "redis://REDACTED@h"), ("a:b//c@h", "REDACTED@h")])
def test_what_is_taken_out_of_a_message(text: str, shown: str | None) -> None:
    assert without_credentials(text) == (text if shown is None else shown)


def test_a_database_that_is_none() -> None:
    with pytest.raises(CannotRun) as told:
        open_database(f"mongodb://joe:{SECRET}@h/0")
    assert SECRET not in without_credentials(str(told.value))
