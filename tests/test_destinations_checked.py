"""The check of destinations at a box where some rows cannot be made."""

from __future__ import annotations

import json
from dataclasses import replace

from sarkmock_contracts.checks.scenarios import destinations_follow_the_state
from sarkmock_contracts.client.transports import Layer
from sarkmock_contracts.errors import Withheld

from tests.contract_runs import suite_of


class Box(Layer):
    """Custom apps are withheld, as at a box that ignores their keys; ring groups are no destinations."""

    def send(self, request):
        if (request.method, request.path) == ("POST", "/customapps"):
            raise Withheld("could not be removed", "customapps")
        response = self.inner.send(request)
        if request.path == "/destinations":
            kinds = {kind: keys for kind, keys in response.fields.items() if kind != "RingGroups"}
            response = replace(response, body=json.dumps(kinds or []).encode())
        return response


def test_destinations_are_compared_without_rows_that_are_withheld():
    suite = suite_of("L10", "L10")
    suite.target.transport = Box(suite.target.transport)
    destinations_follow_the_state(suite)
    assert [str(finding.identity) for finding in suite.findings] == ["destinations.list behaviour stale"]
