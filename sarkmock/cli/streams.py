"""A standard output that raises OutputError if it cannot be written."""

from __future__ import annotations

from typing import Any, TextIO


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
        try:
            return self._stream.write(text)
        except OSError as error:
            raise OutputError(error) from None

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise OutputError(error) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
