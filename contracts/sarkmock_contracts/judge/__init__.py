"""Verdicts: oracle, conformance, findings, attribution to deviations, coverage, allowlist."""
