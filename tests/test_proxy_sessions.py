"""Random client sessions with every version, judged by the documentation and by the version: no new findings."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from sarkmock_contracts.client.http import ACCEPT, NO_TOKEN, Exchange, Request, fill_path, with_form, with_json
from sarkmock_contracts.client.transports import embedded_mock
from sarkmock_contracts.errors import SuiteError
from sarkmock_contracts.judge.verdicts import Accepted
from sarkmock_contracts.proxy.watched import WatchedRun
from sarkmock_contracts.run import Run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import Engine, Seed, State
from sarkmock.suite_api import BASE, load, profile_names
from tests.nasty_values import VALUES

KEYS = ["nosuch", "default", "1", "a b", "\u00e9", "x%y"]
PATHS = ["/nosuch", "/nosuch/x", "/tenants/a/b", "/TENANTS", "/astamis/coresettings", "/tenants/", "//tenants",
         "/auth/x", "/tenants/default/../x", "/tenants%2Fdefault", "/", "/queue/x;y=1", "/%ff", "/globals"]
TOKEN = ("Authorization", "Bearer 7|" + "x" * 40)  # a client's token: the box accepts it, the embedded mock does not
TOKENS = [None, ("Authorization", "Basic eDp5"), ("Authorization", "Bearer 9|nosuchtoken")]
CORS = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "PUT")]


class Session:
    """A client of a box of one version. One request in twelve bypasses the proxy."""

    def __init__(self, profile, seed):
        self.rng, document = random.Random(seed), load(profile)
        state = State(Seed.factory(document["x-database"]), random_seed=seed, token="1|" + "a" * 48)
        self.box = embedded_mock(Engine(document, state))
        self.contract = contract_of(profile)
        self.fixtures = Run(self.contract, self.box, RunOptions(profile=profile, target_profile=profile)).fixtures
        self.judges = [WatchedRun(RunOptions(profile=judge, target_profile=profile, url="http://127.0.0.1:1/api"),
                                  "/api", Accepted()) for judge in dict.fromkeys((BASE, profile))]
        self.rows = {}

    def path(self, operation):
        rows = self.rows.get(operation.table.name, []) if operation.table else []
        keys = [str(row[operation.table.key]) for row in rows if row.get(operation.table.key)] or KEYS
        examples = self.contract.examples(operation)
        return fill_path(operation.path, {name: self.rng.choice([*keys, self.rng.choice(KEYS), examples.get(name, "0")])
                                          for name in operation.parameters})

    def value(self, operation, name):
        bounds = self.fixtures.bounds(operation, name)
        pool = [VALUES, bounds.reject or VALUES, *[bounds.accept or VALUES] * 4]
        return self.fixtures.value(operation, name, self.rng.choice(self.rng.choice(pool)))

    def body(self, operation):
        """The body of an HTML form: required variables, some others, sometimes a complete row or unknown fields."""
        rng = self.rng
        body = dict(self.fixtures.minimal(operation)) if rng.random() < 0.8 else {}
        if operation.table and operation.method == "PUT" and rng.random() < 0.25:
            body = {**rng.choice(self.rows.get(operation.table.name) or [{}]), **body}
        names = rng.sample(sorted(operation.rules), min(len(operation.rules), rng.choice([0, 1, 2, 4])))
        body |= {name: self.value(operation, name) for name in names}
        return body | ({rng.choice(["nosuch", "pkey", "z_created"]): rng.choice(VALUES)} if rng.random() < 0.1 else {})

    def request(self):
        rng, operation = self.rng, self.rng.choice(self.contract.operations)
        kind, path = rng.random(), self.path(operation)
        if kind < 0.12:
            methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]
            headers = (ACCEPT, *rng.choice([(), CORS[:1], CORS]))
            return Request(rng.choice(methods), rng.choice([path, rng.choice(PATHS)]), rng.choice(["", "a=1"]), headers)
        if operation.hazard == "disruptive" or kind < 0.3:
            lists = [candidate for candidate in self.contract.operations if candidate.action == "index"]
            return Request("GET", rng.choice(lists).path, "", (ACCEPT,))
        if not operation.rules:
            return Request(operation.method, path, "", (ACCEPT,))
        body = self.body(operation)
        if kind < 0.4:
            return with_form(operation.method, path, {n: v for n, v in body.items() if isinstance(v, str)})
        return with_json(operation.method, path, body, rng.choice(["", "", "", "", "", "description=y"]))

    def exchange(self):
        """The next exchange as the proxy sees it, with the client's token; None if the proxy does not see it."""
        try:
            request = self.request()
        except (SuiteError, TypeError):
            return None  # the fixtures need a missing row, or a file
        token = self.rng.choice(TOKENS) if self.rng.random() < 0.05 else TOKEN
        own = () if token is TOKEN else (token or NO_TOKEN,)
        response = self.box.send(replace(request, headers=(*request.headers, *own)))
        operation = self.contract.operation_of(request)
        if operation is not None and operation.action == "index" and operation.table and response.ok:
            self.rows[operation.table.name] = response.rows
        shown = replace(request, headers=(*request.headers, token)) if token else request
        return Exchange(shown, response) if self.rng.random() > 1 / 12 else None


@pytest.mark.parametrize("number", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 40))])
@pytest.mark.parametrize("profile", profile_names())
def test_client_sessions_have_no_new_findings(profile, number):
    session = Session(profile, number)
    for exchange in filter(None, (session.exchange() for _ in range(40))):
        for judge in session.judges:
            judged = judge.judge_exchange(exchange, 0)
            new = [str(item.finding) for item in judged if item.status == "new"]
            assert new == [], (judge.options.profile, exchange)
    assert all(judge.outcome().failures == [] for judge in session.judges)
