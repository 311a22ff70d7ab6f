"""The Python of README and docs/ is run, as the tests of a user's own project."""

import re
from pathlib import Path

import pytest

from tests.prefork import run_pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = [example for page in PAGES for example in re.findall(r"```python\n(.+?)```", page.read_text(), re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.search(r"def (test\w+)", example)[1])
def test_an_example_passes(pytester, example):
    pytester.makepyfile(example)
    result = run_pytest(pytester, "--strict-markers")
    assert set(result.parseoutcomes()) <= {"passed", "warnings"}
    assert result.ret == 0
