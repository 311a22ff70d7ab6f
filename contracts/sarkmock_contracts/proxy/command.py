"""The command `sarkmock proxy`. Its help needs click alone; the rest is imported when it runs."""

from __future__ import annotations

from typing import Any

import click

from sarkmock.spec.data_files import BASE

from ..cli import FILE_PATH, profile_names, run_command, with_options

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
@click.option("--read-only", is_flag=True, help="Let reads pass alone; everything else is answered with 403.")
@click.option("--allow-disruptive", is_flag=True,
              help="Let reboot, stop, restore and calls pass; without it they are answered with 403.")
@click.option("--throttle", type=click.IntRange(min=1), metavar="N",
              help="Let at most N requests pass in any minute; others wait their turn.")
@click.option("--rate", metavar="RATE", help="Let requests pass at an even rate like 60/m; others wait their turn.")
@click.option("--queue", type=click.IntRange(min=0), default=50, show_default=True, metavar="N",
              help="How many requests may wait their turn; further ones are answered with 429.")
@click.option("--fault", "faults", multiple=True, metavar="[OPERATION:]KEY=VALUE,...",
              help="Have something go wrong, as with `serve`: status, html, drop, truncate, throttle or latency.")
@click.option("--fault-file", type=FILE_PATH, metavar="FILE", help="The same as a list in YAML.")
@click.option("--journal", type=click.IntRange(min=0), default=1000, show_default=True, metavar="N",
              help="Keep the last N requests and answers, for GET /_mock/journal.")
@click.option("--control-token", envvar="SARKMOCK_CONTROL_TOKEN", show_envvar=True, metavar="TOKEN",
              help="What requests to /_mock must bear; one is made and printed where other machines reach the proxy.")
@click.option("--no-control", is_flag=True, help="Have no /_mock at all.")
@click.option("--timeout", type=SECONDS, default=60.0, show_default=True, metavar="SECONDS",
              help="How long the upstream may take to begin its answer; then it is 504.")
@click.option("--profile", default=BASE, show_default=True, metavar="NAME", shell_complete=profile_names,
              help="Profile to judge by: the name of one in the package, the path of an overlay file, or `auto` for "
              "that of the version that answers.")
@click.option("--target-profile", metavar="NAME", shell_complete=profile_names,
              help="Version that UPSTREAM is, or `auto`; what it is known to do is not new.  [default: the published "
              "product]")
@click.option("--strict", is_flag=True, help="Fail on known deviations, too.")
@click.option("--accept", type=FILE_PATH, metavar="FILE", help="YAML list of deviations that are accepted at UPSTREAM.")
@click.option("--report", type=click.Path(file_okay=False), metavar="DIR",
              help="Write reports to this directory at the end, as `check` does, and all traffic as HAR.")
@click.option("--clients", type=FILE_PATH, metavar="FILE",
              help="Add what clients use to this file, for `compare --clients`; it grows over days.")
@click.option("--shadow", metavar="NAME", shell_complete=profile_names,
              help="Put each request to a mock of this profile, too, which begins in the state of UPSTREAM, and report "
                   "what it would have answered: a name, or the path of an overlay file.")
@click.option("-v", "--verbose", is_flag=True, help="Log every request to stderr.")
@with_options("access", "login", "header")
@run_command
def proxy(upstream: str, **values: Any) -> int:
    """Pass requests on to the API at UPSTREAM, and judge every response.

    UPSTREAM ends in the base path of the API. Clients use the address that is printed instead of the box's, with the
    same tokens, and get its answers as they are. Only UPSTREAM is ever contacted, and it gets what clients send,
    nothing else; `auto` sends it a few reads, and --shadow reads its state, with the token of --token-env, --login or
    --header. Disruptive requests do not pass unless you allow them. Each finding is printed when it first occurs, and
    the page at /_mock/ shows it with its requests.

    Exit code when stopped: 0 if all that passed conforms, 1 if it does not, 2 if the proxy could not run.

    \b
    Examples:
        sarkmock proxy https://pbx.example:44300/api --ca pbx.pem
        sarkmock proxy https://pbx.example:44300/api --ca pbx.pem --read-only --report monday
        sarkmock proxy https://pbx.example:44300/api --ca pbx.pem --clients clients.yaml --rate 50/m
        sarkmock proxy https://pbx.example:44300/api --ca pbx.pem --shadow L11 --report upgrade
        sarkmock proxy https://pbx.example:44300/api --ca pbx.pem --fault 'tenants.*:status=503,times=2'
    """
    from .running import run_proxy

    return run_proxy(upstream, values)
