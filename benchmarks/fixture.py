"""Milliseconds that the fixture `sark` costs a test: its reset, and the first request over its own connection."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from statistics import median

import httpx
import requests

from sarkmock import SarkMock

ROUNDS = 200


def by_urllib(sark: SarkMock) -> None:
    urllib.request.urlopen(f"{sark.url}/tenants", context=sark.ssl_context).read()


def by_requests(sark: SarkMock) -> None:
    requests.get(f"{sark.url}/tenants", verify=sark.ca_file, timeout=5)


def by_httpx(sark: SarkMock) -> None:
    httpx.get(f"{sark.url}/tenants", verify=sark.ssl_context)


def without_a_socket(sark: SarkMock) -> None:
    sark.session().get(f"{sark.url}/tenants")


def nothing(sark: SarkMock) -> None:
    pass


def measured(sark: SarkMock, request: Callable[[SarkMock], None]) -> list[float]:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        sark.reset()
        request(sark)
        times.append((time.perf_counter() - start) * 1000)
    return sorted(times)


def main() -> None:
    print("| reset and | median ms | 95th ms |\n| --- | --- | --- |")
    for seed in ("factory", "big"):
        with SarkMock(seed=seed) as sark:
            for request in (nothing, by_urllib, by_requests, by_httpx, without_a_socket):
                times = measured(sark, request)
                print(f"| {request.__name__}, {seed} | {median(times):.2f} | {times[int(ROUNDS * 0.95)]:.2f} |")


if __name__ == "__main__":
    main()
