"""PHP as far as the API shows it: scalars, request bodies, filters, regular expressions."""

from sarkmock.laravel.php.bodies import listed, meant_method, named_method, read_input
from sarkmock.laravel.php.values import (
    TRIMMED,
    UploadedFile,
    flattened,
    is_numeric,
    is_truthy,
    loosely_equal,
    to_number,
    to_text,
    trim,
)

__all__ = [
    "TRIMMED", "UploadedFile", "flattened", "is_numeric", "is_truthy", "listed", "loosely_equal", "meant_method",
    "named_method", "read_input", "to_number", "to_text", "trim"]
