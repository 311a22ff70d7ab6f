"""An update whose response wraps the row."""

from __future__ import annotations

import json
from dataclasses import replace

from sarkmock_contracts.client.http import Request, request_for
from sarkmock_contracts.client.transports import Layer

from tests.contract_runs import suite_of


class Wrapping(Layer):
    def send(self, request):
        response = self.inner.send(request)
        wraps = request.method == "PUT" and request.path.startswith("/trunks/") and response.ok
        return replace(response, body=json.dumps({"trunk": response.json}).encode()) if wraps else response


def test_missing_columns_are_not_called_changed():
    suite = suite_of("shipped", "shipped", only="Trunks")
    suite.target.transport = Wrapping(suite.target.transport)
    trunk = {"pkey": "zz1", "cluster": "default", "host": "192.0.2.1", "carrier": "GeneralSIP", "username": "a"}
    suite.send(request_for("POST", "/trunks", trunk))
    suite.send(Request("GET", "/trunks/zz1"))
    suite.send(request_for("PUT", "/trunks/zz1", {"active": "NO"}))
    assert {finding.identity.check for finding in suite.findings} == {"schema"}
