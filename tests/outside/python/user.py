"""What users of sarkmock write, under pyright --strict."""

from __future__ import annotations

import httpx
import pytest
import requests
from flask import Flask

from sarkmock import Engine, Journal, SarkMock, State, blueprint, create_app, load_seed, profile_names


@pytest.mark.sark(profile="shipped", pbx="stopped")
def test_the_fixture(sark: SarkMock) -> None:
    response = requests.post(f"{sark.url}/tenants", json={"pkey": "acme", "description": "Acme"}, verify=sark.ca_file)
    assert response.status_code == 201
    sark.requests.assert_called("tenants.create", times=1, body={"pkey": "acme"})
    entry = sark.requests[-1]
    fields: list[str | None] = [reason.field for reason in sark.requests.why(entry)]
    assert not fields


def in_process() -> int:
    with SarkMock(seed="empty", tls=False) as sark, sark.session() as session:
        row = sark.state.tables.first("cluster", "pkey", "default")
        assert row is not None
        status: int = session.get(f"{sark.url}/tenants").status_code
        with httpx.Client(transport=sark.httpx_transport(), base_url=sark.url) as client:
            status += client.delete("/tenants/default").status_code
        sark.reset()
        return status


def as_flask() -> Flask:
    names: list[str] = profile_names()
    assert names
    engine = Engine()
    application = create_app(engine, journal=Journal(engine))
    application.register_blueprint(blueprint(engine), url_prefix="/sark")
    state: State = engine.state
    assert state.tables
    load_seed("demo")
    return application
