"""`sarkmock export`: the document for tools that send requests."""

from __future__ import annotations

from pathlib import Path

import click

from sarkmock.cli.document import PROFILE
from sarkmock.cli.output import write_text
from sarkmock.export import FORMS
from sarkmock.spec.loading import load

BASE_URL = "https://127.0.0.1:44300/api"


@click.command()
@click.argument("form", type=click.Choice(list(FORMS)))
@click.option("--profile", default="documented", **PROFILE)  # type: ignore[arg-type]
@click.option("--base-url", default=BASE_URL, show_default=True, metavar="URL", help="Where requests go at first.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Where to write it; standard output unless given.")
def export(form: str, profile: str, base_url: str, output: Path | None) -> None:
    """Write every operation as a request with example values.

    FORM is postman (a collection, format 2.1), http (REST Client, JetBrains) or curl (a shell script). What could hurt
    a PBX is in it, but is not sent unless you decide so: the file itself says how.

    \b
    Examples:
        sarkmock export postman -o sark.postman_collection.json
        sarkmock export http --base-url https://pbx.example:44300/api -o sark.http
        sarkmock export curl | less
    """
    if "://" not in base_url:
        raise click.BadParameter(f"{base_url} has no scheme; did you mean https://{base_url}?", param_hint="--base-url")
    write_text(output, FORMS[form](load(profile), base_url.rstrip("/")))
