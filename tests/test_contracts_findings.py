"""Findings with the same identity are one finding with the shortest evidence."""

from __future__ import annotations

from sarkmock_contracts.client.http import Exchange, Request, Response
from sarkmock_contracts.judge.findings import Finding, Findings, Identity

CHANMAX = Identity("tenants.update", "rules", "chanmax", "accepted")


def exchange(body: bytes) -> Exchange:
    return Exchange(Request("PUT", "/tenants/default", body=body), Response(200))


def test_same_finding_is_counted() -> None:
    findings = Findings()
    findings.add(Finding(CHANMAX, "first", (exchange(b"aa"),)))
    findings.add(Finding(CHANMAX, "second", (exchange(b"bbb"),)))
    finding, = findings
    assert (finding.count, finding.message, finding.evidence) == (2, "first", (exchange(b"aa"),))


def test_shorter_evidence_replaces_longer() -> None:
    findings = Findings()
    findings.add(Finding(CHANMAX, "long", (exchange(b"a"), exchange(b"a"))))
    findings.add(Finding(CHANMAX, "short", (exchange(b"aaaaaaaa"),)))
    findings.add(Finding(CHANMAX, "shorter", (exchange(b"aa"),)))
    finding, = findings
    assert (finding.message, len(finding.evidence)) == ("shorter", 1)


def test_different_field_is_a_different_finding() -> None:
    findings = Findings()
    findings.add(Finding(CHANMAX, "", (exchange(b""),)))
    findings.add(Finding(CHANMAX._replace(field="operator"), "", (exchange(b""),)))
    assert len(findings) == 2


def test_fresh_contains_only_findings_new_in_block() -> None:
    findings = Findings()
    findings.add(Finding(CHANMAX, "", (exchange(b""),)))
    with findings.fresh() as fresh:
        findings.add(Finding(CHANMAX, "", (exchange(b""),)))
        findings.add(Finding(CHANMAX._replace(kind="rejected"), "", (exchange(b""),)))
    assert [finding.identity.kind for finding in fresh] == ["rejected"]


def test_only_findings_of_a_wrong_read_are_withdrawn() -> None:
    """A known finding of the same variable, from another read, stays."""
    stored = Identity("tenants.update", "stored", "chanmax", "changed")
    wrong, other = exchange(b"wrong"), exchange(b"other")
    findings = Findings()
    findings.add(Finding(stored, "known", (other,), deviations=("ids",)))
    findings.add(Finding(stored, "new", (exchange(b""), wrong)))
    findings.add(Finding(stored._replace(check="rules"), "of a rule", (wrong,)))
    findings.withdraw("chanmax", wrong)
    assert [finding.message for finding in findings] == ["known", "of a rule"]


def test_identities_match_patterns() -> None:
    assert CHANMAX.matches(Identity("tenants.*", "rules", "*", "accepted"))
    assert not CHANMAX.matches(Identity("tenants.*", "rules", "", "accepted"))
    assert str(CHANMAX) == "tenants.update rules chanmax accepted"
