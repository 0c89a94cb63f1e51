"""The web configuration file: what it takes, what it refuses and where; secrets are never repeated."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
import time
from pathlib import Path

import bcrypt
import pytest
from authority import Authority, write_key
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sniffer.control.webconfig import Web, load_web
from sniffer.errors import ConfigError

HASH = bcrypt.hashpw(b"correct horse", b"$2b$05$" + b"." * 22).decode()  # the same for every process
SECRET = "hunter2-in-the-clear"
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Files that configurations name."""
    one = Authority(tmp_path_factory.mktemp("web"))
    one.issue("server")
    one.issue("other")
    one.issue("old", days=0)
    one.issue("new", begins=2)
    key = ec.generate_private_key(ec.SECP256R1())
    one.issue("locked", key=key)
    write_key(one.folder / "locked.key", key, b"passphrase")
    one.issue("open", key=key)
    write_key(one.folder / "open.key", key, mode=0o644)
    one.issue("short", key=rsa.generate_private_key(65537, 1024))  # noqa: S505  # that is the point
    (one.folder / "empty.pem").write_text("")
    (one.folder / "text.pem").write_text("no certificate\n")
    os.mkfifo(one.folder / "pipe.pem")
    return one


def load(authority: Authority, text: str) -> Web:
    """A configuration beside the files that it names."""
    file = authority.folder / f"web-{os.getpid()}.yml"
    file.write_text(text)
    return load_web(file)


def faults(authority: Authority, text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Line, column and code of every fault; and all of their text."""
    with pytest.raises(ConfigError) as caught:
        load(authority, text)
    assert caught.value.exit_status == 78
    return [(one.line, one.column, one.code) for one in caught.value.problems], str(caught.value)


def test_no_file_is_an_open_endpoint() -> None:
    """Nothing is asked of a client then."""
    assert load_web(None) == Web()


def test_everything_at_once(authority: Authority) -> None:
    """Each setting of the format arrives where it acts."""
    web = load(
        authority,
        f"""
tls_server_config:
  cert_file: server.pem
  key_file: {authority.folder / "server.key"}
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [prometheus.example, "2001:DB8:0::1"]
  min_version: TLS12
  max_version: TLS12
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256]
http_server_config:
  http2: true
  headers:
    Strict-Transport-Security: max-age=31536000
    X-Frame-Options: deny
    X-XSS-Protection: ""
basic_auth_users:
  prometheus: {HASH}
  "名字": "{HASH.replace("$2b$", "$2y$")}"
rate_limit: {{interval: 100ms, burst: 20}}
""",
    )
    assert web.context is not None
    assert web.context.verify_mode == ssl.CERT_REQUIRED
    assert web.context.maximum_version == ssl.TLSVersion.TLSv1_2
    assert not web.context.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    old = [one["name"] for one in web.context.get_ciphers() if one["protocol"] != "TLSv1.3"]
    assert old == ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]
    assert web.allowed_names == {"prometheus.example", "2001:db8::1"}
    assert web.headers == (
        ("X-Frame-Options", "deny"),
        ("Strict-Transport-Security", "max-age=31536000"),
    )
    assert set(web.users) == {"prometheus", "名字"}
    assert (web.interval, web.burst) == (0.1, 20)
    assert web.expires == pytest.approx(time.time() + 90 * 86_400, abs=120)
    assert [file.name for file in web.files[1:]] == ["server.pem", "server.key", "ca.pem"]
    assert HASH not in repr(web)


def test_tls_below_1_2_is_off(authority: Authority) -> None:
    """Also where the file says nothing about versions; and nobody asks for a certificate then."""
    context = load(authority, TLS + "}").context
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize("version", ["2a", "2b", "2y"])
@pytest.mark.parametrize("cost", [5, 14])
def test_hashes_of_every_spelling(authority: Authority, version: str, cost: int) -> None:
    """What htpasswd, Go and Python write."""
    text = f"${version}${cost:02d}${HASH[7:]}"
    assert load(authority, f"basic_auth_users: {{a: {text}}}").users == {"a": text.encode()}


BAD = [
    ("tls_server_config: {cert_file: absent.pem, key_file: server.key}", [(1, 21, "missing")], "absent.pem"),
    ("tls_server_config: {cert_file: server.pem}", [(1, 1, "missing_key")], "key_file"),
    ("tls_server_config: {}", [(1, 1, "missing_key")] * 2, "cert_file"),
    ("tls_server_config: {cert_file: old.pem, key_file: old.key}", [(1, 21, "expired")], "expired on"),
    ("tls_server_config: {cert_file: new.pem, key_file: new.key}", [(1, 21, "not_yet_valid")], "begins on"),
    ("tls_server_config: {cert_file: server.pem, key_file: other.key}", [(1, 44, "key_mismatch")], "belong"),
    ("tls_server_config: {cert_file: locked.pem, key_file: locked.key}", [(1, 44, "encrypted")], "openssl pkey"),
    ("tls_server_config: {cert_file: open.pem, key_file: open.key}", [(1, 42, "mode")], "chmod 640"),
    ("tls_server_config: {cert_file: short.pem, key_file: short.key}", [(1, 21, "certificate")], "too small"),
    ("tls_server_config: {cert_file: empty.pem, key_file: server.key}", [(1, 21, "certificate")], "PEM"),
    ("tls_server_config: {cert_file: server.key, key_file: server.pem}", [(1, 21, "certificate"), (1, 44, "key"), (1, 44, "mode")], ""),
    ("tls_server_config: {cert_file: pipe.pem, key_file: .}", [(1, 21, "special"), (1, 42, "directory")], "file"),
    ("tls_server_config: {cert: a, key: b, cert_file: server.pem, key_file: server.key}",
     [(1, 21, "unsupported"), (1, 30, "unsupported")], "cert_file"),
    (TLS + ", min_version: TLS10}", [(1, 66, "unsupported")], "RFC 8996"),
    (TLS + ", min_version: TLS1.2}", [(1, 66, "value")], "TLS12"),
    (TLS + ", min_version: TLS13, max_version: TLS12}", [(1, 66, "value")], "above"),
    (TLS + ", cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]}", [(1, 66, "value")], "forward secrecy"),
    (TLS + ", cipher_suites: [TLS_AES_128_GCM_SHA256]}", [(1, 66, "value")], "min_version: TLS13"),
    (TLS + ", curve_preferences: [X25519, CurveP256]}", [(1, 66, "unsupported")], "one curve"),
    (TLS + ", curve_preferences: [X448]}", [(1, 66, "value")], "X25519"),
    (TLS + ", client_auth_type: RequestClientCert}", [(1, 66, "unsupported")], "proves nothing"),
    (TLS + ", client_auth_type: RequireAnyClientCert}", [(1, 66, "unsupported")], "proves nothing"),
    (TLS + ", client_auth_type: RequireAndVerifyClientCerts}", [(1, 66, "value")], "did you mean"),
    (TLS + ", client_auth_type: RequireAndVerifyClientCert}", [(1, 1, "missing_key")], "client_ca_file"),
    (TLS + ", client_ca_file: ca.pem}", [(1, 66, "value")], "RequireAndVerifyClientCert"),
    (TLS + ", client_ca_file: text.pem, client_auth_type: VerifyClientCertIfGiven}", [(1, 66, "certificate")], "PEM"),
    (TLS + ", client_allowed_sans: [a]}", [(1, 66, "value")], "must show"),
    (TLS + ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, client_allowed_sans: []}",
     [(1, 136, "value")], "no client"),
    ("tls_server_confg: {}", [(1, 1, "unknown_key")], "did you mean 'tls_server_config'"),
    ("http_server_config: {headers: {X-Frame-Options: allow}}", [(1, 32, "value")], "deny"),
    ("http_server_config: {headers: {Set-Cookie: a}}", [(1, 32, "unknown_key")], "known"),
    ("http_server_config: {headers: {X-Frame-Option: deny}}", [(1, 32, "unknown_key")], "X-Frame-Options"),
    ('http_server_config: {headers: {Content-Security-Policy: "a\\r\\nSet-Cookie: b"}}', [(1, 32, "value")], ""),
    ("http_server_config: {http2: 1}", [(1, 22, "type")], "true or false"),
    ("rate_limit: {interval: 1s}", [(1, 1, "value")], "burst"),
    ("rate_limit: {interval: soon, burst: 1}", [(1, 14, "value")], "duration"),
    (f"basic_auth_users: {{a: {SECRET}}}", [(1, 20, "password")], "htpasswd"),
    ("basic_auth_users: {a: 12345678}", [(1, 20, "password")], "htpasswd"),
    ("basic_auth_users: {a: null}", [(1, 20, "password")], "htpasswd"),
    (f"basic_auth_users: {{a: {HASH[:-1]}}}", [(1, 20, "password")], "60 characters"),
    (f"basic_auth_users: {{a: $2x$10${HASH[7:]}}}", [(1, 20, "password")], "$2y$"),
    (f"basic_auth_users: {{a: $2b$04${HASH[7:]}}}", [(1, 20, "password")], "cost is 4, wanted 5 to 14"),
    (f"basic_auth_users: {{a: $2b$20${HASH[7:]}}}", [(1, 20, "password")], "cost is 20"),
    (f"basic_auth_users: {{'a:b': {HASH}}}", [(1, 20, "value")], "colon"),
    (f"basic_auth_users: {{'': {HASH}}}", [(1, 20, "value")], "1 to 255"),
    (f"basic_auth_users: ['a:{SECRET}']", [(1, 1, "type")], "NAME: HASH"),
    (f"basic_auth_users: a:{SECRET}", [(1, 1, "type")], "NAME: HASH"),
    (f"basic_auth_users: {{a: {HASH}, a: {HASH}}}", [(1, 85, "repeated")], "given twice"),
    (f"tls_server_config: {SECRET}", [(1, 1, "type")], ""),
    (f"http_server_config: {{http2: {SECRET}}}", [(1, 22, "type")], ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "places", "says"), BAD, ids=[text[:70] for text, _, _ in BAD])
def test_faults_have_a_place_and_a_remedy(
    authority: Authority, text: str, places: list[tuple[int, int, str]], says: str
) -> None:
    """Line, column, code, and what to do; nothing that may be a secret is repeated."""
    found, told = faults(authority, text)
    assert found == places
    assert says in told
    assert all("; " in line for line in told.splitlines())
    for secret in (SECRET, "12345678", HASH[7:30]):
        assert secret not in told


def test_a_key_in_the_place_of_its_name_is_not_repeated(authority: Authority) -> None:
    """Who pastes the key into the file finds it in no message."""
    key = (authority.folder / "server.key").read_text()
    body = "".join(f"    {line}\n" for line in key.splitlines())
    places, told = faults(
        authority, f"tls_server_config:\n  cert_file: server.pem\n  key_file: |\n{body}  key: |\n{body}"
    )
    assert [code for _, _, code in places] == ["value", "unsupported"]
    assert "not its name" in told
    assert not any(line in told for line in key.splitlines())


def test_all_faults_at_once(authority: Authority) -> None:
    """One look at the file is enough to mend it."""
    places, _ = faults(
        authority,
        "tls_server_config:\n  cert_file: old.pem\n  key_file: open.key\n  min_version: TLS11\n"
        "basic_auth_users:\n  a: b\n  c: d\nrate_limit: {interval: 1s}\n",
    )
    assert places == [
        (2, 3, "expired"),
        (3, 3, "key_mismatch"),
        (3, 3, "mode"),
        (4, 3, "unsupported"),
        (6, 3, "password"),
        (7, 3, "password"),
        (8, 1, "value"),
    ]


def test_too_many_users(authority: Authority) -> None:
    """The list has an end."""
    lines = "".join(f"  user{number}: {HASH}\n" for number in range(1_001))
    places, _ = faults(authority, f"basic_auth_users:\n{lines}")
    assert places == [(1, 1, "range")]


def test_a_stamp_tells_of_a_change(authority: Authority) -> None:
    """Of the file itself and of each that it names; one that goes is a change, too."""
    authority.issue("fresh")
    web = load(authority, "tls_server_config: {cert_file: fresh.pem, key_file: fresh.key}")
    before = web.stamp()
    assert web.stamp() == before
    authority.issue("fresh")
    changed = web.stamp()
    assert changed != before
    (authority.folder / "fresh.key").unlink()
    assert web.stamp() != changed


def test_the_example_loads(authority: Authority, tmp_path: Path) -> None:
    """deploy/web-config.yml, with its files in place and every comment of a setting taken off, is taken."""
    text = (ROOT / "deploy" / "web-config.yml").read_text()
    full = "\n".join(
        re.sub(r"# ?", "", line, count=1) if re.match(r" *#.* #$", line) else line
        for line in text.splitlines()
    )
    assert "client_auth_type" in full
    for word, file in (("/etc/sniffer/", f"{authority.folder}/"), ("clients.pem", "ca.pem")):
        text, full = text.replace(word, file), full.replace(word, file)
    for number, one in enumerate((text, full)):
        file = tmp_path / f"{number}.yml"
        file.write_text(one)
        web = load_web(file)
        assert web.context is not None
        assert len(web.users) == 1
    assert web.context.verify_mode == ssl.CERT_REQUIRED


def sniffer(*arguments: str | Path) -> tuple[int, str]:
    """Run the command line; status and everything it says."""
    done = subprocess.run(
        [sys.executable, "-c", "from sniffer.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_config_check_reads_it(authority: Authority, tmp_path: Path) -> None:
    """`sniffer config check` tells every fault of the web configuration together with those of the rules."""
    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users:\n  a: {SECRET}\n  b: {HASH}\n")
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "bad.yaml").write_text("- id: x\n")
    file = tmp_path / "sniffer.yaml"
    file.write_text(f"http: {{web_config_file: {web}}}\nrules: {{directories: [{rules}]}}\n")
    status, said = sniffer("config", "check", file)
    assert status == 78
    assert f"{web}:2:3: password" in said
    assert "bad.yaml:1:3" in said
    assert SECRET not in said
    web.write_text(
        f"basic_auth_users: {{b: {HASH}}}\n"
        f"tls_server_config: {{cert_file: {authority.folder}/server.pem, key_file: {authority.folder}/server.key}}\n"
    )
    file.write_text(f"http: {{web_config_file: {web}}}\n")
    status, said = sniffer("config", "check", file)
    assert (status, f"guarded by {web}" in said) == (0, True), said
    status, said = sniffer("config", "show", file)
    assert status == 0
    assert str(web) in said
    assert HASH not in said
