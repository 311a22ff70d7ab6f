"""Output of a running server, written in a thread."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO, cast

from sarkmock.cli.output import PatientOutput, output_errors

MOST_WAITING = 2**20  # characters of output that may wait for their reader
STALLED = 1.0  # seconds without progress until a server that stops leaves the rest unwritten


class BackgroundOutput(PatientOutput):
    """A text stream that a thread writes, so that a server does not stop if its output is not read.

    Lines that exceed its memory are dropped and counted.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._texts: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._size = self._dropped = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="sarkmock-output", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        with self._lock:
            if self._size + len(text) > MOST_WAITING:
                self._dropped += text.count("\n")
            else:
                note = f"{self._dropped} lines were not written: the output was not read\n" if self._dropped else ""
                self._dropped = 0
                self._size += len(note + text)
                self._texts.put(note + text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: the thread writes."""

    def close(self) -> None:
        """Wait until everything is written, as long as there is progress."""
        self._texts.put(None)
        left = None
        while self._thread.is_alive() and left != self._size:
            left = self._size
            self._thread.join(STALLED)

    def _run(self) -> None:
        while (text := self._texts.get()) is not None:
            self.attempt(self._write, text)
            with self._lock:
                self._size -= len(text)

    def _write(self, text: str) -> None:
        with output_errors():
            if os.name == "posix":
                # Not with the stream, whose lock Python needs when it ends.
                data = text.encode(self._stream.encoding, self._stream.errors or "strict")
                while data:
                    data = data[os.write(self._stream.fileno(), data):]
            else:
                self._stream.write(text)
                self._stream.flush()


@contextmanager
def background_output() -> Iterator[BackgroundOutput]:
    """Write standard output and stderr in the background; yield standard output."""
    out, err = BackgroundOutput(sys.stdout), BackgroundOutput(sys.stderr)
    with ExitStack() as stack:
        stack.callback(err.close)
        stack.callback(out.close)
        stack.enter_context(redirect_stdout(cast(TextIO, out)))
        stack.enter_context(redirect_stderr(cast(TextIO, err)))
        yield out
