"""The document as requests with example values, in the formats of other tools.

Operations that could harm a PBX are marked with their hazard and are not sent unless the user decides so.
"""

from sarkmock.export.formats import as_bruno, as_curl, as_http, as_postman, as_python_client

TEXT_FORMS = {"postman": as_postman, "http": as_http, "curl": as_curl, "openapi-python-client": as_python_client}
FOLDER_FORMS = {"bruno": as_bruno}  # many files: path -> text

__all__ = ["FOLDER_FORMS", "TEXT_FORMS", "as_bruno", "as_curl", "as_http", "as_postman", "as_python_client"]
