"""The parts of a run in their order, with a title each. What tells most for a request comes first.

What stops or replaces the PBX comes late, and a second look at what the others have seen last.
"""

from __future__ import annotations

PARTS = {
    "test_document": "the tables fit the document",
    "test_reads": "every operation that only reads",
    "test_examples": "what was found before",
    "test_rules": "every rule, accepting and refusing",
    "test_strangers": "what is not documented",
    "test_behaviours": "stories",
    "test_edges": "every boundary, packed",
    "test_links": "links",
    "test_answers": "every operation",
    "test_options": "OPTIONS",
    "test_bounds": "boundaries stored, arrays",
    "test_protocol": "HEAD, 404, 405, forms",
    "test_sequences": "sequences against a model",
    "test_fuzz": "coverage and fuzzing",
    "test_run_state": "stopping and starting",
    "test_opinion": "second opinion",
}
