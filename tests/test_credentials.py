"""Credentials in a URL are never printed, with any scheme and in any command."""

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
    with pytest.raises(SystemExit) as exit_:
        main()
    output = "".join(capfd.readouterr())
    assert exit_.value.code == 2
    assert output.startswith("sarkmock: ")
    assert SECRET not in output


@pytest.mark.parametrize(("text", "shown"), [
    ("https://a:b@h/x is wrong", "https://REDACTED@h/x is wrong"), ("'a:b@h'", "REDACTED@h'"),
    ("--login joe@example.com: unknown user or wrong password", None), ("nothing to hide", None), ("a: b@c", None),
    ("redis://:pw@h", "redis://REDACTED@h"), ("a:b//c@h", "REDACTED@h")])
def test_credentials_are_removed_from_message(text: str, shown: str | None) -> None:
    assert without_credentials(text) == (text if shown is None else shown)


def test_unsupported_database_error_hides_credentials() -> None:
    with pytest.raises(CannotRun) as error:
        open_database(f"mongodb://joe:{SECRET}@h/0")
    assert SECRET not in without_credentials(str(error.value))
