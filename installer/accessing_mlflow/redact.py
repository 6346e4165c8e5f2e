"""What must not be shown: passwords and tokens in addresses, texts and server entries become `***`.

Every line that is printed goes through it, so patterns are compiled where they are first needed (`re` caches them).
When in doubt it hides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

HIDDEN = "***"

_SHORT = 4
SHORTEST_SECRET = 6
"""Characters: shorter values occur in ordinary words."""

# A URL scheme. With a single slash, only well-known ones: `alice:/password@host` has none.
_SCHEME = (
    r"(?i)[a-z][a-z0-9+.-]{0,30}:[/\\]{2,}|(?:https?|sqlite|file|ftp|ssh|postgres(?:ql)?|mysql|mssql)(?:\+\w+)?:[/\\]"
)
# What may precede user information without a scheme: quotes, brackets, NAME= or --option=.
_BEFORE = r"""["'`(\[{<]*(?:(?:[A-Z_][A-Z\d_]*|--[a-z][a-z-]*)=(?![=:])["']?)?(?://)?"""
# A host that cannot be a user name, and its port: an `@` after it belongs to the path.
_MACHINE = r"(?:localhost|(?:\d+\.){3}\d+|\[[^\]]*\])(?::\d+)?[/?#]"
# What follows a user without a password: `token@host.example.com`, `token@host:5000`, `token@host/`.
_HOST = r"@[\w.-]+(?::\d+|/|\.\w)"
_VERSION = r"@v?(?!(?:\d+\.){3}\d+(?![\w.]))\d[\w.+-]*(?:[^\w@].*)?"
_QUERY = r"([?&;#])([\w.~%\[\]-]+)=([^&;#\s\"'<>]+)"
_SIGNATURE = r"(?i)(?:.*[-_])?sig(?:nature)?"

_PAIR = r"""(?<![\w.])(?P<name>[A-Za-z_][\w.-]{0,80})=(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s,;&"']+)"""
_QUOTED_PAIR = r"""(?P<quote>["'])(?P<name>[\w.-]+)(?P=quote)\s*:\s*(?P<value>"[^"\n]*"|'[^'\n]*')"""
_HEADER = r"(?s)(?P<name>[A-Za-z][\w-]*):\s*(?P<value>\S.*)"
_BEARER = r"(?i)\b(Bearer)(?:\s+|%20|\+)(?!(?:tokens?|auth\w*|realm|error|scope)\b)[\w.~+/=-]+"
_BASIC = r"(?i)\b(Basic)(?:\s+|%20|\+)([A-Za-z0-9+/_-]{3,}={0,2})"
_AUTHORIZATION = (
    r"""(?i)\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:(?:Bearer|Basic)\s+)?)"""
    r"""(?!(?:Bearer|Basic)\s|\*|\$\{)[^\s"',;]+(?:[ ]+[^\s"',;]+)?"""
)
_DIGEST = r"""(?i)\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?Digest)\s[^\n]*"""
# A header such as `X-Api-Key: ...` in free text; a name without a hyphen may be prose.
_HEADER_LINE = r"(?<![\w-])([A-Za-z][\w-]{1,60}):[ \t]*(?!\*\*\*|\$\{)(\S[^\n]*)"
# User information with a space in the password, not `host:5000 is down, says a@b`.
_SPACED = r"(://)(?!\[)([^\s/@:]{1,200}:(?!\d{1,5}(?:[^\w@]|$))[^\s@/][^@]{0,200})@"
_PLAIN_WORD = r"[A-Z]?[a-z]+|[A-Z]+"
_PRIVATE_KEY = r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
# Tokens of well-known services, and JSON Web Tokens: secrets under whatever name they stand.
_TOKEN = (
    r"\b(?:gh[pousr]_\w{6,}|github_pat_\w{6,}|glpat-[\w-]{6,}|sk-(?=[\w-]*\d)[\w-]{8,}|xox[abeprs]-[\w-]{6,}"
    r"|hf_(?=\w*\d)\w{10,}|nvapi-[\w-]{6,}|dapi[0-9a-f]{16,}|pypi-[\w-]{16,}|(?:AKIA|ASIA)[0-9A-Z]{12,}"
    r"|eyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)?)"
)

# `${NAME}` of Claude Code and `${env:NAME}` of Cursor say where a secret is, not what it is.
_REFERENCE = r"(?i)(?:(?:Bearer|Basic)\s+)?\$\{(?:env:)?[A-Z_]\w*\}"

_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+"
_SECRET_WORD = (
    r"\w*(?:TOKEN|PASSWORDS?|PASSWD|PASSPHRASE|SECRETS?|CREDENTIALS?|CREDS|APIKEYS?|ACCESSKEY|AUTHKEY|PRIVATEKEY)"
    r"|(?:SECRET|PASSWORD|CREDENTIAL)\w*|O?AUTH|AUTH[NZ]|AUTH(?:ORI[SZ]ATION|ENTICATION|TOKEN)|BEARER|JWT|COOKIES?|KEY"
)
# Secret only at the end of a longer name: PWD alone is the working directory.
_SECRET_LAST_WORD = frozenset({"KEYS", "PASS", "PAT", "PWD"})
# `PASSWORD_FILE` and the like say where something is.
_PLACE = frozenset({"DIR", "FILE", "PATH", "SOCK", "URI", "URL"})


def is_secret_name(name: str) -> bool:
    """Whether a variable, a header, an option or a key of that name holds a secret.

    Decided by whole words (`API_KEY`, `apiKey`, `x-api-key`; not `MONKEY`). Names of places are none: `..._PATH`.
    """
    words = [word.upper() for word in re.findall(_WORD, name)]
    if not words or words[-1] in _PLACE:
        return False
    if len(words) > 1 and words[-1] in _SECRET_LAST_WORD:
        return True
    return any(re.fullmatch(_SECRET_WORD, word) for word in words)


def is_reference(text: str) -> bool:
    """Whether the text is a reference to an environment variable, in any client's form, and nothing else."""
    return re.fullmatch(_REFERENCE, text) is not None


def uri(text: str) -> str:
    """The address without its userinfo and without the values of query parameters with secret names."""
    if "%40" in text:
        text = re.sub(r"[^\s/?&=\"']+", lambda match: _hide_encoded(match[0]), text)
    if "@" in text:
        text = re.sub(_SPACED, lambda match: f"://{HIDDEN}@" if re.search(r"\s", match[2]) else match[0], text)
        text = re.sub(r"\S+", lambda match: _hide_userinfo(match[0]), text)
    return re.sub(_QUERY, _hide_parameter, text) if "=" in text else text


def text(text: str) -> str:
    """Free text (an error, a log line, a value) without the secrets in it, as far as they can be told.

    That is: in every address, after `Bearer`, `Basic` and `Authorization:`, in `NAME=VALUE` and `"name": "value"` with
    a secret name, and in the well-known forms of tokens and private keys.
    """
    text = re.sub(_BEARER, rf"\1 {HIDDEN}", uri(text))
    text = re.sub(_DIGEST, rf"\1 {HIDDEN}", text)
    text = re.sub(_AUTHORIZATION, rf"\1{HIDDEN}", re.sub(_BASIC, _hide_basic, text))
    text = re.sub(_HEADER_LINE, _hide_header, text)
    text = re.sub(_QUOTED_PAIR, _hide_pair, re.sub(_PAIR, _hide_pair, text))
    return re.sub(_TOKEN, HIDDEN, re.sub(_PRIVATE_KEY, HIDDEN, text))


def secrets(variables: Mapping[str, str]) -> list[str]:
    """The values of variables with secret names, but for those so short that they occur in ordinary words."""
    return [value for name, value in variables.items() if is_secret_name(name) and len(value) >= SHORTEST_SECRET]


def without(text: str, secrets: Iterable[str]) -> str:
    """`text` without these secrets, in every form in which a program that got one may quote it."""
    forms = {form for secret in secrets if secret for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        if form in text:
            if len(form) < _SHORT:  # the gaps would reveal it
                return HIDDEN
            text = text.replace(form, HIDDEN)
    return text


def _forms(secret: str) -> Iterator[str]:
    """The secret as it is, percent-encoded, in base64 and as JSON, HTML and Python write it."""
    import html
    import json
    from base64 import b64encode, urlsafe_b64encode
    from urllib.parse import quote, quote_plus

    data = secret.encode("utf-8", "surrogateescape")
    yield secret
    for encoded in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield from (encoded, re.sub("%..", lambda match: match[0].lower(), encoded))
    for coded in (b64encode(data).decode(), urlsafe_b64encode(data).decode()):
        yield from (coded, coded.rstrip("="))
    plain = json.dumps(secret, ensure_ascii=False)[1:-1]
    yield from (plain, plain.replace("/", "\\/"), json.dumps(secret)[1:-1], repr(secret)[1:-1])
    escaped = html.escape(secret)
    yield from (escaped, escaped.replace("&#x27;", "&#39;"), html.escape(secret, quote=False))


def entry(value: object) -> object:
    """A deep copy of a server entry, or of a part of one, that can be shown.

    Values with secret names become `***` wherever they stand (`env`, `headers`, ...) unless they are a plain
    reference such as `${NAME}` or `${env:NAME}`; so does what follows an option with a secret name in `args`.
    """
    if isinstance(value, dict):
        return {key: _named(str(key), each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return _arguments(value)
    return text(value) if isinstance(value, str) else value


def _named(name: str, value: object) -> object:
    if not is_secret_name(name) or value is None or isinstance(value, dict | bool):
        return entry(value)
    return _secret(value)


def _secret(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_secret(each) for each in value]
    shown = value == "" or (isinstance(value, str) and is_reference(value))
    return value if shown else HIDDEN


def _arguments(values: list[object] | tuple[object, ...]) -> list[object]:
    """A list, read as a command line: `--token x`, `--password=x`, `-H "X-Api-Key: x"`, `NAME=x`."""
    shown: list[object] = []
    secret_follows = False
    for value in values:
        if not isinstance(value, str):
            shown.append(entry(value))
        elif secret_follows and not value.startswith("--"):
            shown.append(_secret(value))
        else:
            shown.append(_argument(value))
        secret_follows = _is_option(value) and is_secret_name(str(value))
    return shown


def _is_option(value: object) -> bool:
    """Whether it is an option whose value is the next argument."""
    return isinstance(value, str) and value.startswith("-") and "=" not in value


def _argument(value: str) -> str:
    """One argument; a header or a `NAME=VALUE` with a secret name loses all of its value, spaces included."""
    match = re.fullmatch(_HEADER, value) or re.fullmatch(r"(?s)-*(?P<name>[\w.-]+)=(?P<value>.*)", value)
    if match and is_secret_name(match["name"]):
        return value[: match.start("value")] + str(_secret(match["value"]))
    return text(value)


def _hide_header(match: re.Match[str]) -> str:
    name = match[1]
    is_secret = ("-" in name and is_secret_name(name)) or name.lower() in ("cookie", "set-cookie")
    return f"{name}: {HIDDEN}" if is_secret else match[0]


def _hide_encoded(word: str) -> str:
    """A word without user information before a percent-encoded `@`."""
    user, at, rest = word.rpartition("%40")
    return f"{HIDDEN}{at}{rest}" if ":" in user or "%3a" in user.lower() else word


def _hide_userinfo(word: str) -> str:
    """Hide likely user information in a word: everything before the last `@` of an address.

    A password may hold any character, an `@`, a `/` and a `:` as well.
    """
    at = word.rfind("@")
    before, after = word[: max(at, 0)], word[at:]
    scheme = re.search(_SCHEME, before) or re.match(_BEFORE, before)
    begin = scheme.end() if scheme else 0
    is_address = before[:begin].endswith(("/", "\\"))
    user = before[begin:]
    if not user or user == HIDDEN:
        return word
    if ":" in user or "%3a" in user.lower():
        machine = re.match(_MACHINE, user) if is_address else None
        hides = machine is None or ":" in user[machine.end() :]
    elif is_address:
        hides = not re.search(r"[/?#\\]", user)
    else:
        hides = bool(re.match(_HOST, after)) and not re.fullmatch(_VERSION, after) and _is_name(user)
    return f"{before[:begin]}{HIDDEN}{after}" if hides else word


def _is_name(user: str) -> bool:
    """Whether `user` may be a user name or a token: not a path, and not `git`, the usual SSH user."""
    return user != "git" and not re.search(r"[/?#]", user)


def _hide_parameter(match: re.Match[str]) -> str:
    mark, name, value = match.groups()
    secret = is_secret_name(name) or re.fullmatch(_SIGNATURE, name)
    return f"{mark}{name}={_secret(value)}" if secret else match[0]


def _hide_pair(match: re.Match[str]) -> str:
    value = match["value"]
    quote = value[0] if value[0] in "\"'" else ""
    inner = value.strip(quote) if quote else value
    if not is_secret_name(match["name"]):
        return match[0]
    return f"{match[0][: match.start('value') - match.start()]}{quote}{_secret(inner)}{quote}"


def _hide_basic(match: re.Match[str]) -> str:
    """`Basic` is also an English word: what follows is a secret unless it is one, too."""
    scheme, value = match.groups()
    harmless = value.lower().startswith("realm") or (
        re.fullmatch(_PLAIN_WORD, value) and not _is_user_and_password(value)
    )
    return match[0] if harmless else f"{scheme} {HIDDEN}"


def _is_user_and_password(value: str) -> bool:
    from binascii import Error, a2b_base64

    try:
        return b":" in a2b_base64(value + "=" * (-len(value) % 4))
    except Error:
        return False
