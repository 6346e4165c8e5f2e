"""No secret is shown, and what is no secret stays readable."""

from __future__ import annotations

import copy

import pytest

from accessing_mlflow import redact


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
        # What is no secret:
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
