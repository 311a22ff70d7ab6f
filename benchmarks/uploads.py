"""The cost of bodies of 40 MiB of different kinds, and the waiting time of another client.

`python benchmarks/uploads.py [--mib 40] [--only TEXT] [--in-process]`

`sarkmock serve --http` runs in another process. For each kind: processor time, status, and the longest waiting time of
a client that requests a row repeatedly meanwhile. With ``--in-process`` the requests go to an engine, and waiting times
are processor time, which is meaningful on a busy machine, too.
"""

from __future__ import annotations

import argparse
import http.client
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import count, islice
from pathlib import Path
from urllib.parse import urlsplit

from many import serving

from sarkmock.http.engine import ApiRequest, Engine

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=b"
TICK = os.sysconf("SC_CLK_TCK")


def members(pattern: str, opening: str = "{", closing: str = "}") -> Callable[[int], bytes]:
    """JSON with as many numbered members as fit."""
    return lambda size: (opening + ",".join(islice(map(pattern.__mod__, count()), size // (len(pattern % 9) + 7)))
                         + closing).encode()


def repeated(unit: bytes, before: bytes = b"", after: bytes = b"") -> Callable[[int], bytes]:
    return lambda size: before + unit * ((size - len(before) - len(after)) // len(unit)) + after


def part(name: bytes, content: bytes, more: bytes = b"") -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name, more, content)


SHAPES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "JSON, one string": (JSON, repeated(b"x", b'{"pkey":"', b'"}')),
    "JSON, one string of escapes": (JSON, repeated(rb"\u00e9", b'{"pkey":"', b'"}')),
    "JSON, short escapes": (JSON, repeated(rb"\n", b'{"pkey":"', b'"}')),
    "JSON, beyond ASCII": (JSON, repeated("é\U0001f600".encode(), b'{"pkey":"', b'"}')),
    "JSON, half a surrogate pair at the end": (JSON, repeated(rb"\u00e9", b'{"pkey":"', rb'\ud800"}')),
    "JSON, 900,000 strings": (JSON, lambda size: b'["' + b'","'.join([b"y" * (size // 900_000 - 3)] * 900_000) + b'"]'),
    "JSON, 800,000 names": (JSON, members('"%038d":1')),
    "JSON, 999,000 names": (JSON, lambda size: ("{" + ",".join(
        f'"{number:0{size // 999_000 - 5}}":1' for number in range(999_000)) + "}").encode()),
    "JSON, 800,000 names of one object each": (JSON, members('"%036d":[]')),
    "JSON, one name many times": (JSON, repeated(b'"a":1,', b"{", b'"a":2}')),
    "JSON, one name 900,000 times": (JSON, repeated(b'"pkey":"' + b"z" * 34 + b'",', b"{", b'"a":2}')),
    "JSON, too many numbers": (JSON, repeated(b"1,", b"[", b"1]")),
    "JSON, 900,000 numbers": (JSON, repeated(b"1" * 17 + b"." + b"5" * 26 + b",", b"[", b"1]")),
    "JSON, long integers": (JSON, repeated(b"9" * 44 + b",", b"[", b"1]")),
    "JSON, one integer": (JSON, repeated(b"9", b'{"pkey":', b"}")),
    "JSON, one fraction": (JSON, repeated(b"9", b'{"pkey":0.', b"}")),
    "JSON, one exponent": (JSON, repeated(b"9", b'{"pkey":1e', b"}")),
    "JSON, 99,000 objects": (JSON, lambda size: b"[" + b",".join(
        [b'{"a":"' + b"x" * (size // 99_000 - 9) + b'"}'] * 99_000) + b"]"),
    "JSON, too deep": (JSON, repeated(b"[")),
    "JSON, 500 levels around a string": (JSON, lambda size: b'{"a":' * 500 + b'"' + b"x" * size + b'"' + b"}" * 500),
    "JSON, 200 deep arrays": (JSON, lambda size: b"[" + b",".join(
        [b"[" * 400 + b'"' + b"x" * (size // 200) + b'"' + b"]" * 400] * 200) + b"]"),
    "JSON, blanks": (JSON, repeated(b" ", b"[", b"]")),
    "JSON, not UTF-8 at the end": (JSON, repeated(b"x", b'{"pkey":"', b'\xff"}')),
    "JSON, not UTF-8": (JSON, repeated(b"\xff")),
    "JSON, not closed": (JSON, repeated(b'"a":"b' + b"c" * 40 + b'",', b"{")),
    "JSON, quotes": (JSON, repeated(b'"')),
    "JSON, backslashes": (JSON, repeated(b"\\", b'"')),
    "JSON, NUL": (JSON, repeated(b"\0")),
    "form, one value": (FORM, repeated(b"x", b"pkey=")),
    "form, many pairs": (FORM, repeated(b"a=b&")),
    "form, separators": (FORM, repeated(b"&")),
    "form, escapes": (FORM, repeated(b"%41", b"pkey=")),
    "form, percent signs": (FORM, repeated(b"%", b"pkey=")),
    "form, not UTF-8": (FORM, repeated(b"\xff", b"pkey=")),
    "form, blanks": (FORM, repeated(b"+", b"pkey=")),
    "form, brackets": (FORM, repeated(b"[a]", b"x")),
    "form, open brackets": (FORM, repeated(b"[", b"x")),
    "form, one name": (FORM, repeated(b"x")),
    "multipart, one field": (PARTS, lambda size: part(b"pkey", b"x" * size) + b"--b--"),
    "multipart, one file": (PARTS, lambda size: part(b"f", b"x" * size, b'; filename="x.wav"') + b"--b--"),
    "multipart, many fields": (PARTS, repeated(part(b"a", b"b"), b"", b"--b--")),
    "multipart, many files": (PARTS, repeated(part(b"a", b"b", b'; filename="c"'), b"", b"--b--")),
    "multipart, header lines": (PARTS, repeated(b"X: y\r\n", b"--b\r\n")),
    "multipart, one header line": (PARTS, repeated(b"x", b"--b\r\nX: ")),
    "multipart, boundaries": (PARTS, repeated(b"--b\r\n")),
    "multipart, half boundaries": (PARTS, repeated(b"\r\n--", part(b"a", b""))),
    "multipart, line feeds": (PARTS, repeated(b"\r\n")),
    "multipart, no boundary": (PARTS, repeated(b"x")),
    "multipart, quotes in a name": (PARTS, lambda size: part(b'\\"' * (size // 2), b"b") + b"--b--"),
    "multipart, not UTF-8": (PARTS, lambda size: part(b"pkey", b"\xff" * size) + b"--b--"),
    "no type": ("", repeated(b"x")),
}


def send(port: int, method: str, path: str, body: bytes | None = None, kind: str = "") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, {"Content-Type": kind} if kind else {})
    status = connection.getresponse().status
    connection.close()
    return status


def processor_time(process: int) -> float:
    """Processor time of a process with its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def record_waits(port: int, done: threading.Event, times: list[float]) -> None:
    """ApiRequest a row repeatedly and record the time of each response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while not done.is_set():
        start = time.perf_counter()
        connection.request("GET", "/api/tenants/default")
        connection.getresponse().read()
        times.append(time.perf_counter() - start)
        time.sleep(0.002)
    connection.close()


def measure(port: int, process: int, kind: str, body: bytes) -> tuple[int, float, float]:
    done, times = threading.Event(), [0.0]
    client = threading.Thread(target=record_waits, args=(port, done, times))
    before = processor_time(process)
    client.start()
    status = send(port, "POST", "/api/tenants", body, kind)
    done.set()
    client.join()
    return status, processor_time(process) - before, max(times)


def measure_in_process(engine: Engine, kind: str, body: bytes) -> tuple[int, float, float]:
    """Like `measure`. A wait is the processor time until another thread has run and its request is answered."""
    done, times = threading.Event(), [0.0]

    def show_repeatedly() -> None:
        before = time.process_time()
        while not done.is_set():
            time.sleep(0.001)
            engine.handle(ApiRequest("GET", "/tenants/default"))
            times.append(time.process_time() - before)
            before = time.process_time()
    thread, start = threading.Thread(target=show_repeatedly), time.process_time()
    thread.start()
    reply = engine.handle(ApiRequest("POST", "/tenants", "", {"Content-Type": kind}, body))
    spent_by_all = time.process_time() - start
    done.set()
    thread.join()
    return reply.status or 200, spent_by_all, max(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=float, default=40)
    parser.add_argument("--only", default="")
    parser.add_argument("--in-process", action="store_true")
    options = parser.parse_args()
    size = int(options.mib * 2**20) - 1000
    print("| body | status | processor time | longest wait of another client |\n| --- | --- | --- | --- |")
    with ExitStack() as stack:
        if options.in_process:
            measured = partial(measure_in_process, Engine())
        else:
            url, process = stack.enter_context(serving("--http"))
            measured = partial(measure, urlsplit(url).port or 443, process)
        for name, (kind, make) in SHAPES.items():
            if options.only in name:
                status, cost, longest = measured(kind, make(size)[:2**20 * 40])
                print(f"| {name} | {status} | {cost:.2f} s | {longest * 1000:.0f} ms |", flush=True)


if __name__ == "__main__":
    main()
