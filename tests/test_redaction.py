"""Secrets are masked in every encoding and nesting; all other text is unchanged."""

import json
import re
import time

import pytest

from sarkmock.redaction import MASK, is_secret, redacted, shown_body
from sarkmock.suite_api import load, profile_names

SECRET = "s3cr3t-Wort"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"passwd": "{SECRET}"}}',
        f'{{"a": [{{"SYSPASS": "{SECRET}", "LOGLEVEL": "3"}}]}}',
        f'{{"password":"{SECRET}","x":1}}',
        f'{{"sipiaxpeer": "type=peer\\r\\nsecret={SECRET}\\r\\nhost=x"}}',
        f'{{"p\\u0061sswd": "{SECRET}"}}',
        f"passwd={SECRET}&pkey=8001",
        f"type=peer\nsecret = {SECRET}\nhost=dynamic",
        f"secret=>{SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"curl -H 'Authorization: Bearer {SECRET}' https://x/api",
        f"a header of Bearer 7|{SECRET} was sent",
        f"Cookie: a={SECRET}; b=2",
        f'curl --data-binary \'{{"disapass": "{SECRET}"}}\'',
        f'"{{\\"LDAPPASS\\": \\"{SECRET}\\"}}"',
        f"/tenants?token={SECRET}&x=1",
        f'--b\r\nContent-Disposition: form-data; name="passwd"\r\n\r\n{SECRET}\r\n--b--',
        f"{{'passwd': '{SECRET}'}}",
        f'{{"passwd": ["{SECRET}"]}}',
        f"it was sent as passwd={SECRET}, and accepted",
        f"passwd[]={SECRET}",
        f'{{"register": "user:{SECRET}@sip.example.com/user", "PADMINPASS": "{SECRET}"}}',
        f'{{"provision": "sip line1 password: {SECRET}\\n"}}',
        f"a=1&user[passwd]={SECRET}&b=2",
        f"user%5Bpasswd%5D%5B%5D={SECRET}",
        f"/tenants?api%5Ftoken={SECRET}",
        f"p%61sswd={SECRET}",
        f"sipiaxpeer=type%3Dpeer%0D%0Asecret%3D{SECRET}%0D%0Ahost%3Dx",
        f'{{"sipiaxpeer": "type=peer\\r\\nsecret={SECRET}\\r\\nhost=x", "cut',
        f'{{"passwd": "{SECRET}", "desc": "\\u20ac"}}',
    ],
)
def test_secret_in_text_is_masked(text):
    for value in (
        redacted(text),
        redacted(text.encode()).decode(),
        str(redacted([text])),
        str(redacted({"body": text})),
    ):
        assert SECRET not in value
        assert MASK in value


@pytest.mark.parametrize("text", ["passwd[", "passwd[a]", "%", "a%", "=%"])
def test_long_texts_are_redacted_quickly(text):
    start = time.process_time()
    redacted(text * 20_000)
    assert time.process_time() - start < 1


NO_PASSWORDS = {"SecretExist", "RemoteSecretExist", "MD5SecretExist", "sndcreds", "auth", "PWDLEN"}


def property_descriptions(node):
    """Names and descriptions of all properties in a document."""
    if isinstance(node, dict) and isinstance(node.get("properties"), dict):
        yield from ((name, schema.get("description", "")) for name, schema in node["properties"].items())
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from property_descriptions(inner)


@pytest.mark.parametrize("profile", profile_names())
def test_every_password_in_documents_is_a_secret(profile):
    names = {name for name, text in property_descriptions(load(profile))
             if re.search("password|s3cret", str(text), re.IGNORECASE)}
    assert {name for name in names - NO_PASSWORDS if not is_secret(name)} == set()
    assert len(names) > 10


def test_shown_body_omits_binary_data_and_accepts_truncated_text():
    assert shown_body(b"SQLite format 3\0\xff" + SECRET.encode()) == f"({17 + len(SECRET)} bytes)"
    assert shown_body("B\u00fcro".encode()[:2]) == "B"


def test_secrets_in_mappings_and_headers_are_masked():
    value = {
        "passwd": SECRET,
        "headers": (("Authorization", f"Bearer {SECRET}"), ("Accept", "x")),
        "rows": [{"secret": SECRET}],
        "user[passwd]": SECRET,
        "unset": (("Authorization", ""), ("Accept", "x")),
    }
    assert redacted(value) == {
        "passwd": MASK,
        "headers": (("Authorization", MASK), ("Accept", "x")),
        "rows": [{"secret": MASK}],
        "user[passwd]": MASK,
        "unset": (("Authorization", ""), ("Accept", "x")),
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing here",
        '{"pkey": "1001", "desc": "key"}',
        '{"passwd": null, "x": ""}',
        """curl --data-binary '{"passwd": null, "x": ""}'""",
        "The passwd must be at least 1001.",
        "type=peer\nsecret=\ninsecure=port,invite",
        "sip password: $password",
        "operation agents.update field passwd rejected",
        "rows[0].passwd",
        json.dumps(["[1, 2"]),
        "\x00\xff",
    ],
)
def test_text_without_secrets_is_unchanged(text):
    assert redacted(text) == text


def test_redacted_json_is_valid_json():
    assert json.loads(redacted(f'[{{"passwd": "{SECRET}", "n": 1}}]')) == [{"passwd": MASK, "n": 1}]


@pytest.mark.parametrize("value", [1005, -1.5, True, None, ""])
def test_redacted_json_in_command_is_valid_json(value):
    body = json.dumps({"syspass": value, "n": 1})
    clean = redacted(f"curl --data-binary '{body}'")
    assert json.loads(clean.split("'")[1]) == {"syspass": value and MASK, "n": 1}


def test_redacted_bytes_keep_their_encoding():
    assert redacted(rb'{"passwd": "x", "a": "\u00fc\u20ac\ud83d"}').decode() == (
        '{"passwd": "REDACTED", "a": "ü€\\ud83d"}')
    assert redacted("passwd=x&a=ü".encode("latin-1")) == "passwd=REDACTED&a=ü".encode("latin-1")


def test_redaction_is_idempotent():
    text = f'passwd={SECRET} "secret": "{SECRET}"'
    assert redacted(redacted(text)) == redacted(text)
