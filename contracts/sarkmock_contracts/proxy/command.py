"""The command `sarkmock proxy`. Its help only needs click; everything else is imported when it runs."""

from __future__ import annotations

from typing import Any

import click

from sarkmock.spec.data_files import BASE

from ..cli import FILE_PATH, complete_profile, run_command, with_options
from ..options import is_given

SECONDS = click.FloatRange(min=0, min_open=True)


@click.command()
@click.argument("upstream")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option("--port", default=44300, show_default=True, type=click.IntRange(0, 65535), metavar="PORT",
              help="Port to listen on; 0 takes any free one and prints it.")
@click.option("--http", is_flag=True, help="Listen for plain HTTP instead of HTTPS.")
@click.option("--listen-cert", type=FILE_PATH, metavar="FILE",
              help="Certificate chain (PEM) to listen with; without it one is made for this run.")
@click.option("--listen-key", type=FILE_PATH, metavar="FILE", help="Private key (PEM) of --listen-cert.")
@click.option("--read-only", is_flag=True, help="Forward reads only; reject everything else with 403.")
@click.option("--allow-disruptive", is_flag=True,
              help="Forward reboot, stop, restore and calls, which are rejected with 403 by default.")
@click.option("--throttle", type=click.IntRange(min=1), metavar="N",
              help="Forward at most N requests in any minute; further ones wait in a queue.")
@click.option("--rate", metavar="RATE", help="Forward requests at an even rate like 60/m; others wait in a queue.")
@click.option("--queue", type=click.IntRange(min=0), default=50, show_default=True, metavar="N",
              help="Length of the queue of --throttle and --rate; further requests get 429.")
@click.option("--fault", "faults", multiple=True, metavar="[OPERATION:]KEY=VALUE,...",
              help="Make requests fail, as with `serve`: status, html, drop, truncate, throttle or latency; can be "
                   "given several times.")
@click.option("--fault-file", type=FILE_PATH, metavar="FILE", help="YAML list of such faults.")
@click.option("--journal", type=click.IntRange(min=0), default=1000, show_default=True, metavar="N",
              help="Number of requests and responses that GET /_mock/journal keeps.")
@click.option("--control-token", envvar="SARKMOCK_CONTROL_TOKEN", show_envvar=True, metavar="TOKEN",
              help="Token that requests to /_mock need; if other machines can reach the proxy, the default is a random "
                   "one, printed.")
@click.option("--no-control", is_flag=True, help="Disable /_mock.")
@click.option("--timeout", type=SECONDS, default=60.0, show_default=True, metavar="SECONDS",
              help="Answer with 504 if the upstream has not begun its response after this time.")
@click.option("--profile", default=BASE, show_default=True, metavar="NAME", shell_complete=complete_profile,
              help="Profile to judge by: a name that `sarkmock profiles` lists, an overlay file, or `auto` for that of "
                   "the upstream's version.")
@click.option("--target-profile", metavar="NAME", shell_complete=complete_profile,
              help="Version of UPSTREAM, or `auto` to recognise it; its listed deviations are not new findings.  "
                   "[default: the published product; with --shadow, auto]")
@click.option("--exclusive", is_flag=True,
              help="State that UPSTREAM is changed through this proxy alone: also report responses that contradict "
                   "earlier exchanges.")
@click.option("--strict", is_flag=True, help="Fail on known deviations, too.")
@click.option("--accept", type=FILE_PATH, metavar="FILE", help="YAML list of findings that are accepted at UPSTREAM.")
@click.option("--report", type=click.Path(file_okay=False), metavar="DIR",
              help="Write the reports of `check` and all traffic as HAR to this directory at the end.")
@click.option("--clients", type=FILE_PATH, metavar="FILE",
              help="Add the operations and fields that clients use to this file, for `compare --clients`.")
@click.option("--shadow", metavar="NAME", shell_complete=complete_profile,
              help="Send each request to a mock of this profile, too, and report differing responses. Its "
                   "initial state is read from UPSTREAM.")
@click.option("-v", "--verbose", is_flag=True, help="Log every request to stderr.")
@with_options("access", "login", "header")
@run_command
def proxy(upstream: str, **values: Any) -> int:
    """Forward requests to the API at UPSTREAM, and judge every response.

    UPSTREAM ends in the base path of the API. Point clients at the address that is printed; their tokens and the
    responses of the box are forwarded unchanged. The proxy connects to UPSTREAM only and sends no requests itself,
    with two exceptions: `auto` sends a few reads, and --shadow reads the state, both with the token of --token-env,
    --login or --header. Disruptive requests are rejected unless you allow them. Each finding is printed when it first
    occurs, and the page at /_mock/ shows it with its requests.

    Exit code when stopped: 0 if all traffic conforms, 1 if it does not, 2 if the proxy could not run.

    \b
    Examples:
        sarkmock proxy https://pbx.example:44300/api --ca pbx.pem
        sarkmock proxy https://pbx.example:44300/api --ca pbx.pem --read-only --report monday
        sarkmock proxy https://pbx.example:44300/api --ca pbx.pem --clients clients.yaml --rate 50/m
        sarkmock proxy https://pbx.example:44300/api --ca pbx.pem --shadow L11 --report upgrade
        sarkmock proxy https://pbx.example:44300/api --ca pbx.pem --fault 'tenants.*:status=503,times=2'
    """
    if is_given("queue") and not (values["throttle"] or values["rate"]):
        raise click.UsageError("--queue needs --throttle or --rate")
    from .running import run_proxy

    return run_proxy(upstream, values)
