"""Takes the pictures of README: a check on a terminal, and the web UI in Chromium, which the operating system provides.

    python docs/pictures.py

The words of a picture are in its file, as the text of the SVG and as a comment of the PNG, so that a test can compare
them with what is shown today.
"""

from __future__ import annotations

import html
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from sarkmock import SarkMock

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DOCS = Path(__file__).parent
CHECK, JOURNAL = DOCS / "pictures" / "check.svg", DOCS / "pictures" / "journal.png"
COMMAND = "sarkmock check --quick --only Tenants --target-profile box.yaml"
BOX = re.compile(r"```yaml\n(# box\.yaml\n.*?)```", re.DOTALL)
COLUMNS = 106
REDRAWN, ABOVE = re.compile(r"\x1b\[2K|\r"), "\x1b[1A\x1b[2K"  # what a progress bar writes
WEB_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
TIMES = r"\d+(?:\.\d+)? s\b|\d\d:\d\d:\d\d|(?<=\t)\d+\.\d(?=\t)"  # differ from run to run
DRAWN = r"(?<=against a model) +\d+ requests|\d+ requests(?= ·)"  # by Hypothesis, each version of which draws others
VARYING = re.compile(f"{TIMES}|{DRAWN}")
LAST = 12  # length of the last chunk of a PNG
REQUESTS = (
    ("GET", "/tenants", None), ("POST", "/tenants", {"pkey": "acme", "description": "Acme"}),
    ("PUT", "/tenants/acme", {"localarea": "2.5"}), ("PUT", "/tenants/acme", {"operator": 0, "masteroclo": "CLOSED"}),
    ("POST", "/queues", {"pkey": "Sales", "cluster": "nosuch"}), ("GET", "/extensions?cluster=acme", None),
    ("POST", "/routes", {"pkey": "UK", "dialplan": "_0X."}), ("DELETE", "/tenants/default", None),
    ("GET", "/astamis/CoreStatus", None), ("GET", "/phones", None))


def main() -> None:
    from playwright.sync_api import sync_playwright  # the picture of a check does without a browser

    CHECK.parent.mkdir(exist_ok=True)
    CHECK.write_text(drawn(checked()), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        JOURNAL.write_bytes(journal(browser))


def checked() -> str:
    """What a terminal shows after a check of the box of the page about profiles of your own."""
    block = BOX.search((DOCS / "how-to" / "own-profile.md").read_text(encoding="utf-8"))
    assert block is not None
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "FORCE_COLOR": "1"}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "box.yaml").write_text(block[1], encoding="utf-8")
        done = subprocess.run([sys.executable, "-m", *COMMAND.split()], cwd=folder, env=environment,
                              stdout=subprocess.PIPE, check=False)
    lines: list[str] = []
    for line in done.stdout.decode().split("\n"):
        if ABOVE in line:
            lines.pop()
        lines.append(REDRAWN.split(line)[-1])
    return "\n".join(lines).rstrip()


def drawn(screen: str) -> str:
    """A terminal as SVG, without fonts from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"\x1b[1m$ {COMMAND}\x1b[0m\n{screen}"))
    return WEB_FONTS.sub("", console.export_svg(title="sarkmock check", theme=SVG_EXPORT_THEME, unique_id="check"))


def journal(browser: Browser) -> bytes:
    """The journal of some requests, as a PNG with its words as comment."""
    with SarkMock(tls=False) as mock, mock.session() as session:
        for method, path, body in REQUESTS:
            session.request(method, mock.url + path, json=body)
        page = browser.new_page(viewport={"width": 1200, "height": 560})
        page.goto(f"{mock.control_url}/")
        page.locator("tbody tr").nth(len(REQUESTS) - 1).wait_for()
        png, comment = page.screenshot(), b"tEXtComment\0" + page.inner_text("body").encode("ascii", "replace")
        page.close()
    chunk = struct.pack(">I", len(comment) - 4) + comment + struct.pack(">I", zlib.crc32(comment))
    return png[:-LAST] + chunk + png[-LAST:]


def words(picture: bytes) -> str:
    """What can be read in a picture, except for what varies."""
    if picture.startswith(b"\x89PNG"):
        text = picture[:-LAST - 4].rpartition(b"tEXtComment\0")[2].decode("ascii")
    else:
        text = html.unescape(" ".join(re.findall(r">([^<]+)</text>", picture.decode()))).replace("\xa0", " ")
    return VARYING.sub("", text)


if __name__ == "__main__":
    main()
