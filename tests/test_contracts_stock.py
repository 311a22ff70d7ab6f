"""The suite's stock of keys and rows: what it takes is free, what it makes is removed again."""

from __future__ import annotations

from contracts.messages import Request
from tests.contract_runs import suite_of


def test_keys_are_used_over_when_their_digits_run_out_but_never_twice_at_once() -> None:
    stock = suite_of("documented", "documented").stock
    kept = stock.make(stock.contract.by_id["agents.create"])
    keys = [stock.fresh("8{n:03}") for _ in range(2000)]
    assert set(map(len, keys)) == {4}
    assert kept.answer["pkey"] not in keys


def test_what_a_test_makes_is_gone_after_it_and_what_it_depends_on_stays() -> None:
    suite = suite_of("documented", "documented")
    with suite.watch():
        path = suite.stock.request(suite.contract.by_id["queues.show"]).path
        made = suite.stock.make(suite.contract.by_id["queues.create"])
    assert suite.target.get(str(made.delete)).status == 404
    assert suite.target.get(path).status == 200
    suite.stock.sweep(keep_fixtures=False)
    assert suite.target.get(path).status == 404


def test_a_row_that_somebody_else_deletes_is_made_anew() -> None:
    suite = suite_of("documented", "documented")
    show = suite.contract.by_id["queues.show"]
    first = suite.stock.request(show).path
    suite.target.send(Request("DELETE", first))
    assert suite.target.send(suite.stock.request(show)).response.ok
