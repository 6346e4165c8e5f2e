"""No secret is shown, and what is no secret stays readable."""

from __future__ import annotations

import base64
import copy
import html
import json
import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from accessing_mlflow import redact
from accessing_mlflow.redact import HIDDEN


@pytest.mark.parametrize(
    "name",
    [
        "TOKEN",
        "PASSWORD",
        "DB_PASSWD",
        "PGPASSWORD",
        "DB_PASS",
        "DB_PWD",
        "SECRET",
        "CLIENT_SECRET",
        "KEY",
        "API_KEY",
        "apiKey",
        "APIKEY",
        "X-Api-Key",
        "--api-key",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "MLFLOW_TRACKING_TOKEN",
        "MLFLOW_TRACKING_PASSWORD",
        "CREDENTIAL",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "Authorization",
        "NODE_AUTH_TOKEN",
        "OAUTH2_BEARER",
        "access_token",
        "GITHUB_PAT",
        "Cookie",
    ],
)
def test_secret_names(name: str) -> None:
    assert redact.is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "PATH",
        "PWD",
        "OLDPWD",
        "MONKEY",
        "KEYBOARD",
        "HOCKEY_TEAM",
        "GIT_AUTHOR_NAME",
        "TOKENIZERS_PARALLELISM",
        "MAX_TOKENS",
        "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_SERVER_CERT_PATH",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
        "SSH_AUTH_SOCK",
        "PASSWORD_FILE",
        "BYPASS",
    ],
)
def test_names_that_are_not_secret(name: str) -> None:
    assert not redact.is_secret_name(name)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:pw@mlflow.example.com/", "https://***@mlflow.example.com/"),
        ("https://me@mlflow.example.com", "https://***@mlflow.example.com"),
        ("https://me:p@w@mlflow.example.com:5000/x", "https://***@mlflow.example.com:5000/x"),
        ("https://me:p/w?#1@mlflow.example.com/x", "https://***@mlflow.example.com/x"),
        ("postgresql+psycopg2://me:p'w@db/mlflow", "postgresql+psycopg2://***@db/mlflow"),
        ("https://h/?token=abc&x=1#top", "https://h/?token=***&x=1#top"),
        ("https://h/?x=1&api_key=abc", "https://h/?x=1&api_key=***"),
        ("https://h/?X-Amz-Signature=abc&sig=d&design=e", "https://h/?X-Amz-Signature=***&sig=***&design=e"),
        # Not an address as it should be:
        ("alice:pw@db", "***@db"),
        ("alice:p/w@db/x", "***@db/x"),
        ("alice:/pw@db", "***@db"),
        ("alice%3Apw@db", "***@db"),
        ("dG9rZW4=:@db", "***@db"),
        ("http:/alice:pw@host", "http:/***@host"),
        ("http:\\\\alice:pw@host", "http:\\\\***@host"),
        ("//alice:pw@host/x", "//***@host/x"),
        ("http://alice:80/w@host/x", "http://***@host/x"),
        ("token@10.0.0.5", "***@10.0.0.5"),
        ("http://localhost:5000/@me", "http://localhost:5000/@me"),
        ("http://[::1]:5000/users/a@b", "http://[::1]:5000/users/a@b"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("${MLFLOW_TRACKING_URI}", "${MLFLOW_TRACKING_URI}"),
        ("", ""),
    ],
)
def test_addresses(address: str, shown: str) -> None:
    assert redact.uri(address) == shown
    assert redact.uri(shown) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("GET https://me:pw@h/ and http://u:v@k failed", "GET https://***@h/ and http://***@k failed"),
        ("Authorization: Bearer abc.def-ghi sent", "Authorization: Bearer *** sent"),
        ("authorization: basic bWU6cHc=", "authorization: basic ***"),
        ("Basic dXNlcjpwYXNz", "Basic ***"),
        ("MLFLOW_TRACKING_TOKEN=abc is wrong", "MLFLOW_TRACKING_TOKEN=*** is wrong"),
        ("PASSWORD='two words' x=1", "PASSWORD='***' x=1"),
        ('{"user": "me", "password": "two words"}', '{"user": "me", "password": "***"}'),
        ("key ghp_abcdefABCDEF123456 was revoked", "key *** was revoked"),
        ("key sk-proj-abc123def456 was revoked", "key *** was revoked"),
        ("got eyJhbGciOiJub25l.eyJzdWIiOiJtZSJ9.c2ln.", "got ***."),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nend", "***\nend"),
        ("connect to alice:pw@db failed", "connect to ***@db failed"),
        ("(MLFLOW_TRACKING_URI=alice:pw@db)", "(MLFLOW_TRACKING_URI=***@db)"),
        ("Authorization: Token abc", "Authorization: ***"),
        ("Authorization: Basic abcd", "Authorization: Basic ***"),
        ("{'Authorization': 'abc'}", "{'Authorization': '***'}"),
        ("ask me@example.com", "ask ***@example.com"),  # may be a token and a host
        # What is no secret:
        (
            "http://host:5000 is down: GET http://host:5000/?q=a%40b",
            "http://host:5000 is down: GET http://host:5000/?q=a%40b",
        ),
        ("Content-Type: text/html", "Content-Type: text/html"),
        ("http://10.0.0.5:5000, refused for git@x.org:y", "http://10.0.0.5:5000, refused for git@x.org:y"),
        (
            "uvx mlflow-mcp@latest or mlflow-mcp[x]@0.4.1, not mcp@v2",
            "uvx mlflow-mcp@latest or mlflow-mcp[x]@0.4.1, not mcp@v2",
        ),
        ("git clone git@github.com:org/repo.git", "git clone git@github.com:org/repo.git"),
        ("npx @scope/package@1.2.3 in /home/me@work/x", "npx @scope/package@1.2.3 in /home/me@work/x"),
        ("mcp__MLflow__* and user@host", "mcp__MLflow__* and user@host"),
        ("Bearer token missing", "Bearer token missing"),
        ("Bearer ${TOKEN}", "Bearer ${TOKEN}"),
        ('WWW-Authenticate: Basic realm="mlflow"', 'WWW-Authenticate: Basic realm="mlflow"'),
        ("Basic authentication over HTTP", "Basic authentication over HTTP"),
        ("MLFLOW_TRACKING_URI is not set", "MLFLOW_TRACKING_URI is not set"),
        ("limit=3 in /tmp/task-42, use sk-learn-utils", "limit=3 in /tmp/task-42, use sk-learn-utils"),
    ],
)
def test_texts(said: str, shown: str) -> None:
    assert redact.text(said) == shown
    assert redact.text(shown) == shown


_PRINTED = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F, exclude_categories=("Z", "C")), min_size=6)
_ADDRESSES = [
    "{}@db",
    "{}@db.example.com:5000/x",
    "http:/{}@host",
    "http:\\\\{}@host",
    "//{}@host",
    "https://{}@[::1]:5000/",
]
_TEXTS = [
    "{}",
    "cannot connect to {}: refused",
    "MLFLOW_TRACKING_URI={}",
    "('{}')",
    '"uri": "{}",',
    "at {} and mcp@0.4.1",
]


@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(_PRINTED, _PRINTED, st.sampled_from(_ADDRESSES), st.sampled_from(_TEXTS))
def test_no_user_information_before_an_at_sign_survives(user: str, password: str, address: str, said: str) -> None:
    userinfo = f"{user}:{password}"
    # Else it is an address with another beginning, or an assignment: what looks like these is not the secret part.
    assume(not re.match(r"[\"'`(\[{</\\]|[\w-]+=", user) and not re.search(r"[/\\]{2}|:[/\\]", userinfo))
    whole = address.format(userinfo)
    for shown in (redact.uri(whole), redact.text(said.format(whole)), str(redact.entry([said.format(whole)]))):
        assert user not in shown
        assert password not in shown


@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(_PRINTED, st.sampled_from(["{}", "you sent {} to us", "{}{}"]))
def test_no_secret_survives_in_any_form(secret: str, said: str) -> None:
    assume(HIDDEN not in secret)
    coded = base64.b64encode(secret.encode()).decode()
    forms = [
        secret,
        quote(secret),
        re.sub("%..", lambda match: match[0].lower(), quote(secret, safe="")),
        json.dumps(secret)[1:-1],
        html.escape(secret),
        coded,
    ]
    for form in forms:
        assert form not in redact.without(said.format(form, form), [secret])


def test_an_entry_is_shown_without_its_secrets_and_stays_as_it_is() -> None:
    entry = {
        "type": "stdio",
        "command": "uvx",
        "args": [
            "mlflow-mcp",
            "--token",
            "abc",
            "--password=two words",
            "-H",
            "Authorization: Bearer abc",
            "--header",
            "X-Api-Key: two words",
            "-e",
            "A_TOKEN=abc",
            "--api-key",
            "${API_KEY}",
            "--token",
            "--verbose",
            "https://me:pw@h/",
            7,
        ],
        "env": {
            "MLFLOW_TRACKING_URI": "https://me:pw@h/",
            "MLFLOW_TRACKING_TOKEN": "abc",
            "CLAUDE_TOKEN": "${TOKEN}",
            "CURSOR_TOKEN": "${env:TOKEN}",
            "DEFAULT_TOKEN": "${TOKEN:-abc}",
            "EMPTY_TOKEN": "",
            "NOTE": "ghp_abcdefABCDEF123456",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        },
        "headers": {"Authorization": "Bearer ${TOKEN}", "X-Auth-Token": "abc"},
        "auth": {"client_id": "me", "client_secret": "abc", "pin_key": 1234},
        "disabled": False,
    }
    before = copy.deepcopy(entry)

    shown = redact.entry(entry)

    assert shown == {
        "type": "stdio",
        "command": "uvx",
        "args": [
            "mlflow-mcp",
            "--token",
            "***",
            "--password=***",
            "-H",
            "Authorization: ***",
            "--header",
            "X-Api-Key: ***",
            "-e",
            "A_TOKEN=***",
            "--api-key",
            "${API_KEY}",
            "--token",
            "--verbose",
            "https://***@h/",
            7,
        ],
        "env": {
            "MLFLOW_TRACKING_URI": "https://***@h/",
            "MLFLOW_TRACKING_TOKEN": "***",
            "CLAUDE_TOKEN": "${TOKEN}",
            "CURSOR_TOKEN": "${env:TOKEN}",
            "DEFAULT_TOKEN": "***",
            "EMPTY_TOKEN": "",
            "NOTE": "***",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        },
        "headers": {"Authorization": "Bearer ${TOKEN}", "X-Auth-Token": "***"},
        "auth": {"client_id": "me", "client_secret": "***", "pin_key": "***"},
        "disabled": False,
    }
    assert entry == before


def test_a_long_text_takes_no_time_to_speak_of() -> None:
    """Patterns that go back over what they have read would take minutes here."""
    for piece in ("a.", "a-", "ab@", "://", "Bearer ", "x=", "https://a:b/"):
        redact.text(piece * 20_000)


@pytest.mark.parametrize("part", ["a:", "%3a", "a-", "://a:b c ", "A-b: ", "authorization: ", "Basic ", "a@", "x"])
@pytest.mark.parametrize("start", ["", "%40 ", "@ ", "://"])
def test_a_long_text_of_strangers_takes_no_time_to_speak_of(start: str, part: str) -> None:
    """A pattern that goes back and forth in it would not end."""
    text = redact.text(start + part * 20_000)
    assert len(text) < len(start + part * 20_000) + 10
