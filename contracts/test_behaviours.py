"""What the page promises in prose, as stories."""

from __future__ import annotations

from contracts.answers import settle
from contracts.behaviours import Story
from contracts.suite import Suite


def test_behaviours(suite: Suite, story: Story) -> None:
    with suite.watch():
        story(suite)
        settle(suite)
