"""The OpenAPI document: loading, overlays, JSON pointers, operations."""
