"""`sarkmock export`: the document for tools that send requests, and a configuration for one that generates a client."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from sarkmock.cli.document import PROFILE_OPTION
from sarkmock.cli.output import write_text
from sarkmock.export import FOLDER_FORMS, TEXT_FORMS
from sarkmock.spec.loading import load
from sarkmock.spec.profiles import BASE

BASE_URL = "https://127.0.0.1:44300/api"


@click.command()
@click.argument("form", type=click.Choice([*TEXT_FORMS, *FOLDER_FORMS]))
@click.option("--profile", default=BASE, **PROFILE_OPTION)  # type: ignore[arg-type]
@click.option("--base-url", default=BASE_URL, show_default=True, metavar="URL", help="Where requests go at first.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
              help="Where to write it; standard output unless given.")
def export(form: str, profile: str, base_url: str, output: Path | None) -> None:
    """Write every operation as a request with example values.

    FORM is postman (a collection, format 2.1), http (REST Client, JetBrains), curl (a shell script) or bruno (a
    folder). What could hurt a PBX is in it, but is not sent unless you decide so: the file itself says how.

    openapi-python-client is the configuration with which that tool generates a complete client from `sarkmock spec`.

    \b
    Examples:
        sarkmock export postman -o sark.postman_collection.json
        sarkmock export http --base-url https://pbx.example:44300/api -o sark.http
        sarkmock export curl | less
        sarkmock export openapi-python-client -o config.yaml
        sarkmock export bruno -o sark-bruno && cd sark-bruno && bru run --env box
    """
    if "://" not in base_url:
        raise click.BadParameter(f"{base_url} has no scheme; did you mean https://{base_url}?", param_hint="--base-url")
    if "@" in base_url.partition("://")[2].partition("/")[0]:
        raise click.BadParameter("a base URL has no user and password: what is exported would hold them",
                                 param_hint="--base-url")
    if form in TEXT_FORMS:
        write_text(output, TEXT_FORMS[form](load(profile), base_url.rstrip("/")))
    elif output is None:
        raise click.UsageError(f"{form} is a folder: name it with -o")
    else:
        write_folder(output, FOLDER_FORMS[form](load(profile), base_url.rstrip("/")))


def write_folder(folder: Path, texts: Mapping[str, str]) -> None:
    """The files of a folder; an older export is written over, other files are left alone."""
    is_free = not any(folder.iterdir()) if folder.is_dir() else not folder.exists()
    if not is_free and not any((folder / name).is_file() for name in texts):
        raise click.ClickException(f"{folder}: exists and is not an export")
    for name, text in texts.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise click.ClickException(f"{folder}: {error.strerror}") from None
        write_text(folder / name, text)
