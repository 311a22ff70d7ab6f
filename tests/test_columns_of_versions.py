"""A column that requests can set in the target's version only."""

from __future__ import annotations

from sarkmock_contracts.client.http import Request, request_for
from sarkmock_contracts.client.transports import embedded_mock
from sarkmock_contracts.run import Run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import Engine
from sarkmock.suite_api import deviations_of, load

OVERLAY = """\
overlay: 1.0.0
info: {title: SARK, version: "1", x-extends: shipped}
x-without: [trunk-z-updater]
x-deviations:
  described: {summary: The description is another one., severity: cosmetic, reason: An overlay needs an action.}
actions:
  - target: $.info
    update: {description: A SARK.}
    x-deviation: described
"""


def test_column_that_is_not_stored_is_no_finding_where_the_document_has_no_such_variable(tmp_path):
    """The models hold what the version stores, but its variable is not the judging document's."""
    file = tmp_path / "box.yaml"
    file.write_text(OVERLAY)
    suite = Run(contract_of("documented"), embedded_mock(Engine(load(str(file)))), RunOptions("documented", "shipped"))
    suite.judge.expect(deviations_of("shipped"))
    trunk = {"pkey": "zz1", "cluster": "default", "host": "192.0.2.1", "carrier": "GeneralSIP", "username": "a"}
    suite.send(request_for("POST", "/trunks", trunk | {"z_updater": "abc"}))
    suite.send(Request("GET", "/trunks/zz1"))
    assert [str(finding.identity) for finding in suite.findings if not finding.deviations] == []
