"""The document as requests with example values, in other tools' formats.

What could hurt a PBX is marked by its hazard; every form keeps it from being sent without a decision.
"""

from sarkmock.export.formats import as_bruno, as_curl, as_http, as_postman, as_python_client

TEXT_FORMS = {"postman": as_postman, "http": as_http, "curl": as_curl, "openapi-python-client": as_python_client}
FOLDER_FORMS = {"bruno": as_bruno}  # many files: text by path

__all__ = ["FOLDER_FORMS", "TEXT_FORMS", "as_bruno", "as_curl", "as_http", "as_postman", "as_python_client"]
