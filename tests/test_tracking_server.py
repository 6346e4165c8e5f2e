"""Asking tracking servers, good and broken: each is a real server on a port of 127.0.0.1."""

from __future__ import annotations

import base64
import html
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import trustme

from accessing_mlflow.tracking_server import TrackingError, TrackingReport, ask
from tests.webs import DEFAULT, MLFLOW, PAGE, SEARCH, Reply, serving


@contextmanager
def raw_server(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server that does with each connection what `talk` does, until the test is over."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client is gone
            talk(connection, over)

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        threads.append(threading.Thread(target=accept))
        threads[0].start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            for thread in threads:
                thread.join()


def fails(uri: str, home: Path, environ: Mapping[str, str] | None = None, *, timeout: float = 10.0) -> TrackingError:
    with pytest.raises(TrackingError) as caught:
        ask(uri, environ or {}, home=home, timeout=timeout)
    assert "\n" not in str(caught.value)
    return caught.value


def failed(replies: Mapping[str, Reply], home: Path, environ: Mapping[str, str] | None = None) -> TrackingError:
    with serving(replies) as web:
        return fails(web.uri, home, environ)


# It is MLflow


def test_a_good_server(tmp_path: Path) -> None:
    with serving(MLFLOW) as web:
        assert ask(web.uri, {}, home=tmp_path) == TrackingReport("3.17.2", 1)
    assert web.asked == [("GET", "/health"), ("POST", SEARCH), ("GET", "/version")]
    assert web.authorization is None


@pytest.mark.parametrize("path", ["/", "/team/mlflow", "/team/mlflow/"])
def test_a_base_path_and_a_trailing_slash(tmp_path: Path, path: str) -> None:
    with serving({path.rstrip("/") + key: reply for key, reply in MLFLOW.items()}) as web:
        assert ask(web.uri + path, {}, home=tmp_path).version == "3.17.2"


def test_experiments_are_counted_up_to_a_page(tmp_path: Path) -> None:
    with serving({**MLFLOW, SEARCH: Reply(body={"experiments": [DEFAULT] * 200, "next_page_token": "x"})}) as web:
        assert ask(web.uri, {}, home=tmp_path).experiments is None


def test_all_experiments_deleted(tmp_path: Path) -> None:
    """MLflow then answers an empty object."""
    with serving({**MLFLOW, SEARCH: Reply(body={})}) as web:
        assert ask(web.uri, {}, home=tmp_path) == TrackingReport("3.17.2", 0)


@pytest.mark.parametrize("version", [Reply(401), Reply(404, PAGE), Reply(200, PAGE), Reply(200, b"")])
def test_a_server_that_hides_its_version(tmp_path: Path, version: Reply) -> None:
    with serving({**MLFLOW, "/version": version}) as web:
        assert ask(web.uri, {}, home=tmp_path) == TrackingReport("", 1)


# It cannot be reached


def test_nothing_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = fails(f"http://me:pw@127.0.0.1:{port}", tmp_path)

    assert (error.kind, str(error)) == ("refused", f"nothing listens at 127.0.0.1:{port}")
    assert error.fix


@pytest.mark.parametrize("uri", ["http://no-such-host.invalid:5000", "http://a..b/", "http://", "http://h:99999"])
def test_there_is_no_such_host(tmp_path: Path, uri: str) -> None:
    assert fails(uri, tmp_path, timeout=60).kind == "unknown-host"


def test_a_name_server_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: over.wait() and [])
    try:
        assert fails("http://mlflow.example.com", tmp_path, timeout=0.3).kind == "timeout"
    finally:
        over.set()


def wait_in_silence(connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def drip_headers(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not over.wait(0.02):
        connection.sendall(b"x")


def drip_body(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not over.wait(0.02):
        connection.sendall(b"O")


@pytest.mark.parametrize("talk", [wait_in_silence, drip_headers, drip_body])
def test_one_time_limit_over_all(tmp_path: Path, talk: Callable[[socket.socket, threading.Event], None]) -> None:
    with raw_server(talk) as uri:
        error = fails(uri, tmp_path, timeout=0.5)

    assert (error.kind, str(error)) == ("timeout", "no answer within 0.5 s")


def test_what_is_read_is_bounded(tmp_path: Path) -> None:
    def flood(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.is_set():
            connection.sendall(b"x" * 65536)

    with raw_server(flood) as uri:
        assert fails(uri, tmp_path, timeout=60).kind == "not-mlflow"


# It is something else


def hang_up(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(1000)


def speak_ssh(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
    connection.recv(1000)


@pytest.mark.parametrize("talk", [hang_up, speak_ssh])
def test_no_web_server(tmp_path: Path, talk: Callable[[socket.socket, threading.Event], None]) -> None:
    with raw_server(talk) as uri:
        assert fails(uri, tmp_path).kind == "not-mlflow"


@pytest.mark.parametrize(
    "replies",
    [
        {"*": Reply(body=b"OK")},
        {"*": Reply(body={"experiments": []})},
        {"*": Reply(404)},
        {"/health": Reply(body=b"OK")},
        {**MLFLOW, "/health": Reply(body=b"ok\n")},
        {**MLFLOW, SEARCH: Reply(body={"results": []})},
        {**MLFLOW, SEARCH: Reply(body=[1])},
        {**MLFLOW, SEARCH: Reply(body={"experiments": "none"})},
        {**MLFLOW, SEARCH: Reply(404, PAGE)},
        {**MLFLOW, SEARCH: Reply(405)},
    ],
)
def test_another_web_server(tmp_path: Path, replies: Mapping[str, Reply]) -> None:
    error = failed(replies, tmp_path)

    assert error.kind == "not-mlflow"
    assert "address" in error.fix


def test_a_sign_on_page(tmp_path: Path) -> None:
    error = failed({"*": Reply(body=PAGE)}, tmp_path)

    assert error.kind == "sign-on"
    assert "Sign in" in str(error)


@pytest.mark.parametrize("to", ["https://sso.example.com/start?state=abc&token=xyz", "/login", "/oauth2/start"])
def test_a_redirect_to_a_sign_on_page(tmp_path: Path, to: str) -> None:
    error = failed({"*": Reply(302, headers={"Location": to})}, tmp_path)

    assert error.kind == "sign-on"
    assert "xyz" not in str(error)


def test_the_sign_on_page_may_stand_before_the_interface_only(tmp_path: Path) -> None:
    moved = Reply(307, headers={"Location": "https://sso.example.com/"})
    assert failed({**MLFLOW, SEARCH: moved}, tmp_path).kind == "sign-on"


def test_a_redirect_within_the_host_tells_the_right_address(tmp_path: Path) -> None:
    with serving({}) as web:
        web.replies = {"*": Reply(301, headers={"Location": f"https://127.0.0.1:{web.port}/mlflow/health"})}
        error = fails(f"{web.uri}/mlflow", tmp_path)

    assert (error.kind, error.fix) == ("not-mlflow", f"use the address https://127.0.0.1:{web.port}/mlflow")


# It does not let us in

BASIC = {"WWW-Authenticate": 'Basic realm="mlflow"'}


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (BASIC, "a user name and a password"),
        ({"WWW-Authenticate": "Bearer"}, "credentials (Bearer)"),
        ({}, "credentials"),
    ],
)
def test_credentials_are_wanted(tmp_path: Path, headers: Mapping[str, str], said: str) -> None:
    error = failed({**MLFLOW, SEARCH: Reply(401, headers=headers)}, tmp_path)

    assert (error.kind, str(error)) == ("unauthorized", f"it wants {said} (HTTP 401)")
    assert "[mlflow]\nmlflow_tracking_username = NAME\nmlflow_tracking_password = PASSWORD\n" in error.fix
    assert "MLFLOW_TRACKING_TOKEN" in error.fix


def test_the_wrong_credentials(tmp_path: Path) -> None:
    wrong = {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "hunter2"}
    error = failed({**MLFLOW, SEARCH: Reply(401, headers=BASIC)}, tmp_path, wrong)

    assert str(error) == "it does not accept MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (HTTP 401)"
    assert "hunter2" not in str(error) + error.fix


def test_a_sign_in_that_only_mlflow_can_do_is_not_called_wrong(tmp_path: Path) -> None:
    error = failed({"*": Reply(401)}, tmp_path, {"MLFLOW_TRACKING_AUTH": "kubernetes"})
    assert "only MLflow itself can use MLFLOW_TRACKING_AUTH" in str(error)


def test_access_is_not_allowed(tmp_path: Path) -> None:
    error = failed({**MLFLOW, SEARCH: Reply(403, b"Permission denied")}, tmp_path)

    assert error.kind == "forbidden"
    assert "Permission denied" in str(error)


def test_a_name_that_the_server_does_not_go_by(tmp_path: Path) -> None:
    refused = Reply(403, b"Invalid Host header - possible DNS rebinding attack detected")
    assert "--allowed-hosts" in failed({**MLFLOW, SEARCH: refused}, tmp_path).fix


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize("path", ["/health", SEARCH])
def test_a_server_in_trouble(tmp_path: Path, status: int, path: str) -> None:
    error = failed({**MLFLOW, path: Reply(status, PAGE)}, tmp_path)

    assert error.kind == "unavailable"
    assert f"HTTP {status}" in str(error)


# Credentials, where MLflow looks for them


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


ME = {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "pw"}
TOKEN = {"MLFLOW_TRACKING_TOKEN": "abc"}
FILE = "[mlflow]\nmlflow_tracking_username = filed\nmlflow_tracking_password = pass%%word\n"


@pytest.mark.parametrize(
    ("userinfo", "environ", "file", "sent"),
    [
        ("", ME, "", basic("me", "pw")),
        ("", TOKEN, "", "Bearer abc"),
        ("", {**ME, **TOKEN}, "", basic("me", "pw")),
        ("", {"MLFLOW_TRACKING_USERNAME": "me", **TOKEN}, "", "Bearer abc"),
        ("", {}, FILE, basic("filed", "pass%word")),
        ("", TOKEN, FILE, basic("filed", "pass%word")),
        ("", ME, FILE, basic("me", "pw")),
        ("", {"MLFLOW_TRACKING_PASSWORD": "other"}, FILE, basic("filed", "other")),
        ("", {}, "[other]\nmlflow_tracking_username = x\n", None),
        ("in:u%40ri@", {**ME, **TOKEN}, FILE, basic("in", "u@ri")),
        ("in@", ME, "", basic("me", "pw")),
    ],
)
def test_credentials(tmp_path: Path, userinfo: str, environ: dict[str, str], file: str, sent: str | None) -> None:
    if file:
        (tmp_path / ".mlflow").mkdir()
        (tmp_path / ".mlflow" / "credentials").write_text(file, encoding="utf-8")
    with serving(MLFLOW) as web:
        ask(web.uri.replace("//", f"//{userinfo}"), environ, home=tmp_path)

    assert web.authorization == sent


def test_netrc_wins_as_it_does_with_mlflow(tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login net password rc\n", encoding="utf-8")
    netrc.chmod(0o600)
    with serving(MLFLOW) as web:
        ask(web.uri, ME, home=tmp_path)

    assert web.authorization == basic("net", "rc")


@pytest.mark.parametrize(
    "file", ["mlflow_tracking_password = hunter2\n", FILE.replace("%%", "%"), "[mlflow]\nhunter2\n", "[mlflow]\n\xff\n"]
)
def test_a_credentials_file_that_mlflow_cannot_read(tmp_path: Path, file: str) -> None:
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow" / "credentials").write_text(file, encoding="latin-1")
    error = failed(MLFLOW, tmp_path)

    assert error.kind == "unauthorized"
    assert "cannot read ~/.mlflow/credentials" in str(error)
    assert "hunter2" not in str(error) + error.fix


def test_a_token_that_no_header_can_carry(tmp_path: Path) -> None:
    error = failed(MLFLOW, tmp_path, {"MLFLOW_TRACKING_TOKEN": "hunter2\n"})

    assert str(error).startswith("MLFLOW_TRACKING_TOKEN cannot be sent")
    assert "hunter2" not in str(error) + error.fix


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextmanager
def serving_tls(authority: trustme.CA, name: str = "127.0.0.1") -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    with serving(MLFLOW, tls=context) as web:
        yield f"https://127.0.0.1:{web.port}"


def test_a_certificate_of_an_authority_of_ones_own(tmp_path: Path, authority: trustme.CA) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with serving_tls(authority) as uri:
        error = fails(uri, tmp_path)
        assert error.kind == "tls"
        assert "MLFLOW_TRACKING_SERVER_CERT_PATH" in error.fix

        for environ in (
            {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(tmp_path / "ca.pem")},
            {"REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem")},
            {"MLFLOW_TRACKING_INSECURE_TLS": "true"},
        ):
            assert ask(uri, environ, home=tmp_path).version == "3.17.2"


def test_a_certificate_for_another_name(tmp_path: Path, authority: trustme.CA) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with serving_tls(authority, "mlflow.example.com") as uri:
        error = fails(uri, tmp_path, {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(tmp_path / "ca.pem")})

    assert error.kind == "tls"
    assert "name" in error.fix


def test_certificate_settings_that_cannot_work(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate", encoding="utf-8")
    for environ in (
        {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(tmp_path / "absent.pem")},
        {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(tmp_path / "no.pem")},
        {"MLFLOW_TRACKING_CLIENT_CERT_PATH": str(tmp_path / "absent.pem")},
        {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(tmp_path / "no.pem"), "MLFLOW_TRACKING_INSECURE_TLS": "1"},
    ):
        error = fails("https://127.0.0.1:1", tmp_path, environ)
        assert error.kind == "tls"
        assert next(iter(environ)) in str(error)


def test_http_for_https_and_the_other_way_round(tmp_path: Path, authority: trustme.CA) -> None:
    with serving_tls(authority) as uri:
        error = fails(uri.replace("https", "http"), tmp_path)
        assert (error.kind, error.fix) == ("not-mlflow", "try it with https://")

    with serving(MLFLOW) as web:
        error = fails(web.uri.replace("http", "https"), tmp_path)
        assert (error.kind, error.fix) == ("tls", "try it with http://")


# Proxies


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_is_used(tmp_path: Path, variable: str) -> None:
    behind = {f"http://mlflow.invalid{path}": reply for path, reply in MLFLOW.items()}
    with serving(behind) as proxy:
        environ = {variable: proxy.uri, "NO_PROXY": "localhost,10.0.0.0/8,.example.com"}
        assert ask("http://mlflow.invalid", environ, home=tmp_path).version == "3.17.2"


@pytest.mark.parametrize("exempt", ["127.0.0.1", "*", "10.0.0.0/8, 127.0.0.0/8", "x.example.com,127.0.0.1:{port}"])
def test_no_proxy_where_none_is_wanted(tmp_path: Path, exempt: str) -> None:
    with serving(MLFLOW) as web:
        environ = {"http_proxy": "http://127.0.0.1:1", "no_proxy": exempt.format(port=web.port)}
        assert ask(web.uri, environ, home=tmp_path).version == "3.17.2"


def test_a_proxy_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    error = fails("http://mlflow.invalid", tmp_path, {"http_proxy": "http://me:hunter2@127.0.0.1:1"})

    assert error.kind == "refused"
    assert "through the proxy 127.0.0.1:1" in str(error)
    assert "hunter2" not in str(error)


def test_a_proxy_that_wants_credentials(tmp_path: Path) -> None:
    with serving({"*": Reply(407)}) as proxy:
        assert "proxy" in str(fails("http://mlflow.invalid", tmp_path, {"http_proxy": proxy.uri}))


# A server that quotes what it was sent


def quoted(secret: str) -> list[str]:
    """What a page may make of it."""
    data = secret.encode()
    coded = base64.b64encode(data).decode()
    return [secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], html.escape(secret), coded]


@pytest.mark.parametrize("way", ["environment", "uri", "token", "file"])
@pytest.mark.parametrize("status", [200, 403, 404])
def test_credentials_that_an_answer_quotes_are_not_shown(tmp_path: Path, way: str, status: int) -> None:
    user, password = "alice", 'pä"s/w:ö r&d%41'
    environ = {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password} if way == "environment" else {}
    if way == "token":
        password = "to/ken+" + "x" * 20
        environ = {"MLFLOW_TRACKING_TOKEN": password}
    if way == "file":
        (tmp_path / ".mlflow").mkdir()
        lines = f"mlflow_tracking_username = {user}\nmlflow_tracking_password = {password.replace('%', '%%')}\n"
        (tmp_path / ".mlflow/credentials").write_text(f"[mlflow]\n{lines}", encoding="utf-8")
    both = f"{user}:{password}"
    header = f"Bearer {password}" if way == "token" else f"Basic {base64.b64encode(both.encode()).decode()}"
    forms = [*quoted(password), *quoted(both), header.partition(" ")[2]]
    for form in forms:
        # As the last word before the line is cut, too.
        for said in (f"you sent {form} to us", f"{'x' * 80} {form}"):
            page = f"<!doctype html><title>{said}</title>" if status != 403 else said
            with serving({"*": Reply(status, page.encode())}) as web:
                address = (
                    web.uri.replace("//", f"//{quote(user)}:{quote(password, safe='')}@") if way == "uri" else web.uri
                )
                told = str(fails(address, tmp_path, environ))
                assert web.authorization == header
            assert form[:12] not in told, (form, told)
            assert password[:6] not in told


def test_nor_where_it_quotes_them_in_other_places(tmp_path: Path) -> None:
    environ = {"MLFLOW_TRACKING_TOKEN": "1.2secret-token"}
    replies = {
        **MLFLOW,
        "/version": Reply(body=b"1.2secret-token"),
    }
    with serving(replies) as web:
        assert ask(web.uri, environ, home=tmp_path).version == ""
    there = {"Location": "/x/1.2secret-token/y"}
    assert "secret" not in str(failed({"*": Reply(302, headers=there)}, tmp_path, environ))


def test_a_short_password_is_not_told_by_where_it_is_missing(tmp_path: Path) -> None:
    environ = {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "s"}
    told = str(failed({"*": Reply(403, b"access is denied to some users")}, tmp_path, environ))
    assert told == "access is not allowed (HTTP 403 Forbidden: ***)"
