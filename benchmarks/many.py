"""Many concurrent connections to `sarkmock serve`, some idle and some busy: waiting times and memory.

`python benchmarks/many.py [--idle 5000] [--busy 200] [--requests 20] [--http]`
"""

from __future__ import annotations

import argparse
import asyncio
import re
import resource
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

REQUEST = b"GET /api/tenants/default HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
AT_ONCE = 50  # handshakes
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def ask(streams: Streams) -> float:
    """Seconds for a request; a status other than 200 is an error."""
    reader, writer = streams
    start = time.perf_counter()
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(head.splitlines()[0].decode())
    await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))  # type: ignore[index]
    return time.perf_counter() - start


async def connect(url: str, number: int) -> list[Streams]:
    """Open connections that are kept alive after one request each."""
    parts, context, few = urlsplit(url), ssl._create_unverified_context(), asyncio.Semaphore(AT_ONCE)

    async def open_connection() -> Streams:
        async with few:
            streams = await asyncio.open_connection(parts.hostname, parts.port,
                                                    ssl=context if parts.scheme == "https" else None)
            await ask(streams)
            return streams
    return await asyncio.gather(*[open_connection() for _ in range(number)])


async def measure(url: str, idle: int, busy: int, requests: int) -> None:
    start = time.perf_counter()
    waiting = await connect(url, idle)
    print(f"{idle} idle connections after {time.perf_counter() - start:.1f} s")
    clients = await connect(url, busy)

    async def client(streams: Streams) -> list[float]:
        return [await ask(streams) for _ in range(requests)]
    start = time.perf_counter()
    times = sorted(seconds for results in await asyncio.gather(*map(client, clients)) for seconds in results)
    print(f"{busy} busy connections: {len(times) / (time.perf_counter() - start):,.0f} requests/s, "
          f"median {times[len(times) // 2] * 1000:.0f} ms, p99 {times[int(len(times) * 0.99)] * 1000:.0f} ms, "
          f"longest {times[-1] * 1000:.0f} ms")
    alone = sorted([await ask(clients[0]) for _ in range(200)])
    print(f"a single busy connection: median {alone[100] * 1000:.1f} ms, p99 {alone[198] * 1000:.1f} ms")
    await asyncio.gather(*map(ask, waiting[::50]))
    print("the idle connections are still served")


@contextmanager
def serving(*options: str) -> Iterator[tuple[str, int]]:
    """Start `sarkmock serve` on a free port; its URL and process id."""
    command = [sys.executable, "-m", "sarkmock", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield next(line.split()[-1] for line in server.stdout or () if line.startswith("listening")), server.pid
        finally:
            server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description="Many connections at once.")
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--busy", type=int, default=200)
    parser.add_argument("--requests", type=int, default=20, help="of each busy connection, one after another")
    parser.add_argument("--http", action="store_true")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with serving("--idle-timeout", "600", *(["--http"] if options.http else [])) as (url, process):
        asyncio.run(measure(url, options.idle, options.busy, options.requests))
        status = Path(f"/proc/{process}/status")
        if status.exists():
            kilobytes = re.findall(r"VmHWM:\s+(\d+)", status.read_text())
            print(f"memory: {int(kilobytes[0]) // 1024} MB")


if __name__ == "__main__":
    main()
