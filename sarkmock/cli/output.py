"""Output of commands: text, coloured and wrapped on a terminal only; JSON; shell completion; the request log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
from click.shell_completion import CompletionItem, get_completion_class

if TYPE_CHECKING:
    from rich.console import Console

    from sarkmock.journal import Entry, Journal
    from sarkmock.server.connection import Served

# Piped or redirected output is not wrapped, so that grep finds whole records.
UNWRAPPED = 2000


def console() -> Console:
    """Return a console for text on standard output."""
    from rich.console import Console  # slow to import

    out = Console(highlight=False, markup=False)
    return out if out.is_terminal else Console(highlight=False, markup=False, width=UNWRAPPED)


def print_json(value: Any) -> None:
    """Print JSON on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def write_text(output: Path | None, text: str) -> None:
    """Write to a file, atomically, or to standard output."""
    from sarkmock.atomic import write_whole  # slow to import

    if output is None:
        click.echo(text, nl=False)
        return
    try:
        write_whole(output, text.encode())
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror}") from None


RECENT = 20
MOST_NOTICES = 10_000  # after this many different notices, only requests are logged


class RequestLog:
    """A log of served requests. Each notice of the journal is logged once, and none for rejected requests."""

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal
        self._written: set[str] = set()

    def __call__(self, served: Served) -> None:
        """Log one line with time, request, status, duration and size; then reasons and notices."""
        write_line(f"{time.strftime('%H:%M:%S')} {served.method} {served.target} "
                   f"{served.status or 'dropped'} {served.seconds * 1000:.1f} ms {served.size} B")
        if served.reason:
            write_line(f"         why: {served.reason}")
        entry = self._entry(served)
        if self._journal is not None and entry:
            for reason in self._journal.why(entry):
                place = f" (documentation, line {', '.join(map(str, reason.lines))})" if reason.lines else ""
                write_line(f"         why: {reason.text}{place}")
            for notice in self._journal.warnings(entry):
                if notice.text not in self._written and len(self._written) < MOST_NOTICES:
                    self._written.add(notice.text)
                    write_line(f"         mind: {notice.text} {notice.deviation}".rstrip())

    def _entry(self, served: Served) -> Entry | None:
        """Return the latest journal entry of that request."""
        recent = reversed(self._journal[-RECENT:] if self._journal is not None else [])
        return next((entry for entry in recent if (entry.method, entry.path, entry.status)
                     == (served.method, served.path, served.status)), None)


def write_line(line: str) -> None:
    """Write exactly one line to stderr, without secrets; line breaks and control characters of clients are escaped."""
    from sarkmock.redaction import printable, redacted  # slow to import

    with suppress(OSError):  # stderr is closed
        click.echo(printable(str(redacted(line))), err=True)


SHELLS = ("bash", "zsh", "fish")
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that completes commands, options and names in a shell.

    \b
    Examples:
        sarkmock completion bash > ~/.local/share/bash-completion/completions/sarkmock
        sarkmock completion zsh > "${fpath[1]}/_sarkmock"
        sarkmock completion fish > ~/.config/fish/completions/sarkmock.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    script = made(context.find_root().command, {}, "sarkmock", "_SARKMOCK_COMPLETE")
    click.echo(script.source_template % script.source_vars())  # `source()` would check the shell's version


def names_or_file(names: Callable[[], Iterable[str]]) -> Completer:
    """Return a completer for names; if none matches, for the path of a file."""
    def complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        items = [CompletionItem(name) for name in names() if name.startswith(begun)]
        return items or [CompletionItem(begun, type="file")]
    return complete


class OutputError(Exception):
    """Standard output cannot be written. ``is_unread``: its reader has ended, as `head` does."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output: {error.strerror}")
        self.is_unread = isinstance(error, BrokenPipeError)


class StandardOutput:
    """A text stream that raises OutputError instead of OSError: click and Rich end a program at a closed pipe."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with output_errors():
            return self._stream.write(text)

    def flush(self) -> None:
        with output_errors():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class PatientOutput(StandardOutput):
    """A text stream that does not end a program: after the first error, which it keeps, nothing is written."""

    error: OutputError | None = None

    def write(self, text: str) -> int:
        self.attempt(super().write, text)
        return len(text)

    def flush(self) -> None:
        self.attempt(super().flush)

    def attempt(self, call: Callable[..., object], *arguments: Any) -> None:
        try:
            if self.error is None:
                call(*arguments)
        except OutputError as error:
            self.error = error


@contextmanager
def output_errors() -> Iterator[None]:
    """Turn an OSError of the block into OutputError."""
    try:
        yield
    except OSError as error:
        raise OutputError(error) from None
