"""One cause is one finding, with the shortest way to see it again."""

from __future__ import annotations

from contracts.ledger import Identity, Ledger
from contracts.messages import Exchange, Request, Response

CHANMAX = Identity("tenants.update", "rules", "chanmax", "accepted")


def exchange(body: bytes) -> Exchange:
    return Exchange(Request("PUT", "/tenants/default", body=body), Response(200))


def test_the_same_cause_is_counted() -> None:
    ledger = Ledger()
    ledger.add(CHANMAX, "first", exchange(b"aa"))
    ledger.add(CHANMAX, "second", exchange(b"bbb"))
    finding, = ledger
    assert (finding.count, finding.message, finding.evidence) == (2, "first", (exchange(b"aa"),))


def test_shorter_evidence_takes_the_place_of_longer() -> None:
    ledger = Ledger()
    ledger.add(CHANMAX, "long", exchange(b"a"), exchange(b"a"))
    ledger.add(CHANMAX, "short", exchange(b"aaaaaaaa"))
    ledger.add(CHANMAX, "shorter", exchange(b"aa"))
    finding, = ledger
    assert (finding.message, len(finding.evidence)) == ("shorter", 1)


def test_another_field_is_another_finding() -> None:
    ledger = Ledger()
    ledger.add(CHANMAX, "", exchange(b""))
    ledger.add(CHANMAX._replace(field="operator"), "", exchange(b""))
    assert len(ledger) == 2


def test_only_what_is_new_in_a_block_is_fresh() -> None:
    ledger = Ledger()
    ledger.add(CHANMAX, "", exchange(b""))
    with ledger.fresh() as found:
        ledger.add(CHANMAX, "", exchange(b""))
        ledger.add(CHANMAX._replace(kind="refused"), "", exchange(b""))
    assert [finding.identity.kind for finding in found] == ["refused"]


def test_identities_match_patterns() -> None:
    assert CHANMAX.matches(Identity("tenants.*", "rules", "*", "accepted"))
    assert not CHANMAX.matches(Identity("tenants.*", "rules", "", "accepted"))
    assert str(CHANMAX) == "tenants.update rules chanmax accepted"
