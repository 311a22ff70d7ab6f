"""The validator: verdicts recorded from Laravel, order of errors, invalid rules, and crashes."""

import gzip
import json
from pathlib import Path

import pytest

from sarkmock.http.replies import PhpError
from sarkmock.laravel.php import UploadedFile
from sarkmock.laravel.validation import LARAVEL_7, RuleError, Validator, check_names, display_name
from sarkmock.pbx.database import Database

VERDICTS = Path(__file__).parent / "cases" / "laravel-rules.jsonl.gz"
METHOD = "Method Illuminate\\Validation\\Validator::validate"
NO_TABLES = None  # for rules that query no table


def verdicts():
    with gzip.open(VERDICTS, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def verdict(rules, data, wording=LARAVEL_7):
    """Errors in order, or the message of the crash, in the format of the recording."""
    try:
        return {"errors": list(Validator(rules, wording).errors(data, NO_TABLES).items())}
    except PhpError as crash:
        return {"crash": crash.message}


def test_verdicts_match_laravel():
    recorded = verdicts()
    assert len(recorded) == 17182
    wrong = []
    for case in recorded:
        expected = {"crash": case["crash"]} if "crash" in case else {"errors": list(dict(case["errors"]).items())}
        got = verdict(case["rules"], case["data"])
        if got != expected:
            wrong.append(f"{case['rules']} on {case['data']}: Laravel {expected}, we {got}")
    assert not wrong, f"{len(wrong)} verdicts differ:\n" + "\n".join(wrong[:20])


NOT_INTEGER, TOO_LARGE = "The passwd field must be an integer.", "The passwd field must not be greater than 9999."


@pytest.mark.parametrize(("value", "messages"), [
    (9999.000000000002, []),  # compared as PHP prints it
    ("9999.00000000000000000001", [NOT_INTEGER, TOO_LARGE]), ("1e1000", [NOT_INTEGER, TOO_LARGE])])
def test_laravel_10_compares_exact_numbers(value, messages):
    errors = [("passwd", messages)] if messages else []
    assert verdict({"passwd": "integer|max:9999"}, {"passwd": value}, "laravel-10") == {"errors": errors}


@pytest.mark.parametrize(("value", "crash"), [
    ("1e1001", "Scientific notation exponent outside of allowed range."),
    ("1E-01001", "Scientific notation exponent outside of allowed range."),
    (float("-inf"), 'The given value "-INF" does not represent a valid number.')])
def test_laravel_10_crashes_for_numbers_beyond_its_limits(value, crash):
    assert verdict({"passwd": "integer|max:9999"}, {"passwd": value}, "laravel-10") == {"crash": crash}


@pytest.mark.parametrize(("wording", "accepted"), [("laravel-7", True), ("laravel-10", False)])
def test_extensions_of_later_php_scripts_are_blocked_since_laravel_10(wording, accepted):
    upload = UploadedFile("a.PHP8", "", b"\0\1")
    errors = Validator({"a": "mimetypes:application/octet-stream"}, wording).errors({"a": upload}, NO_TABLES)
    assert (errors == {}) == accepted


def test_errors_are_in_the_order_of_the_rules():
    validator = Validator({"a": "required", "b": "integer", "c": "required"})
    assert list(validator.errors({"c": None, "b": "x"}, NO_TABLES)) == ["a", "b", "c"]


def test_field_has_all_messages_once():
    errors = Validator({"a": "integer|alpha|integer|min:3"}).errors({"a": "1.5"}, NO_TABLES)
    assert errors == {
        "a": ["The a must be an integer.", "The a may only contain letters.", "The a must be at least 3."]}


def test_unknown_fields_are_ignored_and_input_is_unchanged():
    data = {"x": 1, "a": " 5 "}
    assert Validator({"a": "integer"}).errors(data, NO_TABLES) == {}
    assert data == {"x": 1, "a": " 5 "}


def test_returned_errors_are_independent():
    validator = Validator({"a": "required"})
    validator.errors({}, NO_TABLES)["a"].append("more")
    assert validator.errors({}, NO_TABLES) == {"a": ["The a field is required."]}


def checked(rules):
    check_names(rules, ["operator"])
    return Validator(rules)


@pytest.mark.parametrize(("rules", "problem"), [
    ("alpha_dashy", "field a, rule 'alpha_dashy': unknown rule"),
    ("required|Integer", "field a, rule 'Integer': unknown rule"),
    (["regex:/a|b/", "nosuch:1"], "field a, rule 'nosuch': unknown rule"),
    ("max", "field a, rule 'max': the parameter is missing"),
    ("in:", "field a, rule 'in': the parameter is missing"),
    ("min:few", "field a, rule 'min': 'few' is not a number"),
    ("exists:cluster,pkey,id,1", "field a, rule 'exists': conditions in addition to the column are not supported"),
    ("regex:/a|b/", "field a, rule 'b/': unknown rule"),
])
def test_invalid_rule_is_reported_at_compile_time(rules, problem):
    with pytest.raises(RuleError) as error:
        checked({"a": rules})
    assert str(error.value) == problem
    assert error.value.field == "a"


@pytest.mark.parametrize(("rules", "message", "exception"), [
    ("operator", f"{METHOD}Operator does not exist.", "BadMethodCallException"),
    ("100", f"{METHOD}100 does not exist.", "BadMethodCallException"),
    ("regex:/^a$", "preg_match(): No ending delimiter '/' found", "ErrorException"),
    ("regex: ", "preg_match(): Empty regular expression", "ErrorException"),
    ("regex:{a", "preg_match(): No ending matching delimiter '}' found", "ErrorException"),
])
def test_crashing_rules_crash_only_for_a_present_value(rules, message, exception):
    validator = Validator({"before": "string", "a": [rules, "nullable"]})
    assert validator.errors({}, NO_TABLES) == {}
    assert validator.errors({"a": "  "}, NO_TABLES) == {}
    with pytest.raises(PhpError) as crash:
        validator.errors({"a": "x"}, NO_TABLES)
    assert (crash.value.message, crash.value.exception, crash.value.field) == (message, exception, "a")


@pytest.mark.parametrize(("field", "shown"), [
    ("COS_pkey", "c o s pkey"), ("IPphone_pkey", "i pphone pkey"), ("CALLRECORD1", "c a l l r e c o r d1"),
    ("a_b", "a b"), ("someField", "some field"), ("abstimeout", "abstimeout"), ("x1", "x1"), ("EURL", "e u r l"),
])
def test_display_name_of_field(field, shown):
    assert display_name(field) == shown


@pytest.fixture
def tables():
    database = Database()
    database.insert("cluster", {"pkey": "default"})
    return database


def test_exists_queries_the_database(tables):
    validator = Validator({"cluster": "required|exists:cluster,pkey"})
    assert validator.errors({"cluster": "default"}, tables) == {}
    assert validator.errors({"cluster": "nosuch"}, tables) == {"cluster": ["The selected cluster is invalid."]}
    assert validator.errors({"cluster": None}, tables) == {"cluster": ["The cluster field is required."]}


@pytest.mark.parametrize("value", [
    "a\0b", 2**70, -(2**70), 1.5, float("inf"), True, ["x", None], {"a": "default"}])
def test_exists_accepts_values_of_any_type(tables, value):
    assert Validator({"cluster": "exists:cluster,pkey"}).errors({"cluster": value}, tables).keys() <= {"cluster"}


def test_invalid_utf8_crashes(tables):
    validator = Validator({"a": "required", "b": "integer"})
    for value in ("\udcff", ["\udcff"], {"x": ["\udcff"]}):
        assert validator.errors({"a": value}, tables) == {}
        with pytest.raises(PhpError, match="Malformed UTF-8") as crash:
            validator.check_readable({"a": value})
        assert (crash.value.exception, crash.value.field) == ("InvalidArgumentException", "a")
    assert validator.errors({"a": "\udcff", "b": "x"}, tables) == {"b": ["The b must be an integer."]}
    validator.check_readable({"a": "é", "c": "\udcff"})


def test_rule_with_placeholder_uses_request_value(tables):
    validator = Validator({"cluster": "required|exists:cluster,{cluster}"})
    assert validator.errors({}, tables) == {"cluster": ["The cluster field is required."]}
    assert validator.errors({"cluster": "whatever"}, tables) == {}
    assert validator.errors({"cluster": "pkey"}, tables) == {"cluster": ["The selected cluster is invalid."]}
    assert validator.errors({"cluster": "x|integer"}, tables)["cluster"][-1] == "The cluster must be an integer."
    with pytest.raises(PhpError, match="validateNoSuch does not exist"):
        validator.errors({"cluster": "x|no_such"}, tables)
    with pytest.raises(PhpError, match="Array to string conversion"):
        validator.errors({"cluster": ["x"]}, tables)


@pytest.mark.parametrize(("value", "messages"), [
    ("x|max:abc", []),  # PHP compares "9" with "abc" as text
    ("x|max:1${0}", ["The cluster may not be greater than 1${0} characters."]),
    ("x|size:8", []),
    ("x|digits:x", ["The cluster must be x digits."]),
    ("x|max", None),
    ("x|exists", None),
])
def test_rule_injected_by_request_value_is_applied(tables, value, messages):
    validator = Validator({"cluster": "required|exists:cluster,{cluster}"})
    if messages is None:
        with pytest.raises(PhpError, match="requires at least 1 parameters"):
            validator.errors({"cluster": value}, tables)
    else:
        assert validator.errors({"cluster": value}, tables) == {
            "cluster": ["The selected cluster is invalid.", *messages]}
