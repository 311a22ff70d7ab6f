"""README's Python is run, as the tests of a user's own project."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.+?)```", README, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.search(r"def (test\w+)", example)[1])
def test_an_example_passes(pytester, example):
    pytester.makepyfile(example)
    result = pytester.runpytest_subprocess("--strict-markers", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=len(re.findall(r"def test", example)))
