"""The parts of PHP that the API exposes: scalars, request bodies, filters and regular expressions."""

from sarkmock.laravel.php.bodies import means_json, overridden_method, read_input, untrimmed_method
from sarkmock.laravel.php.values import (
    TRIMMED,
    UploadedFile,
    array_as_list,
    flattened,
    is_numeric,
    is_readable,
    is_truthy,
    text_argument,
    to_lines,
    to_number,
    to_text,
    trim,
)
