"""What the page promises in prose, as stories."""

from __future__ import annotations

from sarkmock_contracts.checks.scenarios import Story
from sarkmock_contracts.checks.smoke import settle
from sarkmock_contracts.run import Suite


def test_behaviours(suite: Suite, story: Story) -> None:
    with suite.watch():
        story(suite)
        settle(suite)
