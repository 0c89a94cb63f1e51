"""Files of certificates and keys: what is taken, and each fault in the same words wherever the file is named."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
from authority import Authority, write_key
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sniffer.certificates import MAX_FILE, load_authorities, load_pair
from sniffer.config import Config
from sniffer.control.top import Daemon
from sniffer.control.webconfig import load_web
from sniffer.errors import ConfigError, UsageError
from sniffer.sinks import syslog

NOTE = "# Autorité de Zürich, 签发\n".encode() + b"# and Z\xfcrich as it was written before UTF-8\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files good and bad."""
    one = Authority(tmp_path_factory.mktemp("certificates"))
    one.issue("good")
    one.issue("other")
    one.issue("old", begins=-3, days=-1)
    one.issue("new", begins=2)
    key = ec.generate_private_key(ec.SECP256R1())
    one.issue("locked", key=key)
    write_key(one.folder / "locked.key", key, b"passphrase")
    one.issue("open", key=key)
    one.issue("short", key=rsa.generate_private_key(65537, 1024))  # noqa: S505  # that is the point
    (one.folder / "text.pem").write_text("nothing\n")
    (one.folder / "text.pem").chmod(0o600)
    (one.folder / "large.pem").write_bytes(bytes(MAX_FILE + 1))
    os.mkfifo(one.folder / "pipe.pem")
    return one.folder


def context() -> ssl.SSLContext:
    """One that believes nobody and shows nothing."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


FAULTS = [
    ("absent.pem", "good.key", "cert_file", "missing", "absent.pem: no such file"),
    ("good.pem", "absent.key", "key_file", "missing", "absent.key: no such file"),
    ("pipe.pem", "good.key", "cert_file", "special", "pipe.pem: is no regular file"),
    ("good.pem", ".", "key_file", "directory", "is a folder, not a file"),
    ("large.pem", "good.key", "cert_file", "size", "large.pem: is larger than 1 MiB"),
    ("text.pem", "good.key", "cert_file", "certificate", "text.pem: holds no certificate in PEM"),
    ("good.key", "good.key", "cert_file", "certificate", "good.key: holds no certificate in PEM"),
    ("good.pem", "text.pem", "key_file", "key", "text.pem: holds no private key in PEM"),
    ("old.pem", "old.key", "cert_file", "expired", "old.pem: the certificate has expired on 2"),
    ("new.pem", "new.key", "cert_file", "not_yet_valid", "new.pem: the certificate begins on 2"),
    ("good.pem", "other.key", "key_file", "key_mismatch", "other.key: does not belong to the first certificate of "),
    ("locked.pem", "locked.key", "key_file", "encrypted", "locked.key: the key is encrypted, and nobody is there"),
    ("short.pem", "short.key", "cert_file", "certificate", "short.pem: OpenSSL refuses it: "),
]  # fmt: skip


@pytest.mark.parametrize(("certificate", "key", "setting", "code", "words"), FAULTS)
def test_a_fault_has_a_setting_a_code_and_a_remedy(
    folder: Path, certificate: str, key: str, setting: str, code: str, words: str
) -> None:
    """One fault for each thing that is wrong."""
    _, (flaw,) = load_pair(context(), folder / certificate, folder / key)
    assert (flaw.setting, flaw.code) == (setting, code)
    assert words in str(flaw)
    assert flaw.remedy


@pytest.mark.parametrize(("certificate", "key", "setting", "code", "words"), FAULTS)
def test_the_same_words_for_the_endpoint_and_for_syslog(
    folder: Path, certificate: str, key: str, setting: str, code: str, words: str
) -> None:
    """Whoever has read one message knows the other."""
    names = {"cert_file": str(folder / certificate), "key_file": str(folder / key)}
    config = Config.model_validate({"syslog": {"server": "a.example:6514", "protocol": "tls", **names}})
    (fault,) = syslog.faults(config)
    web = folder / "web.yml"
    web.write_text(f"tls_server_config: {{cert_file: {names['cert_file']}, key_file: {names['key_file']}}}\n")
    with pytest.raises(ConfigError) as caught:
        load_web(web)
    (problem,) = caught.value.problems
    assert fault.place == ("syslog", setting)
    assert problem.code == code
    assert words in fault.what
    assert (problem.what, problem.remedy) == (f"{setting}: {fault.what}", fault.remedy)


@pytest.mark.parametrize("name", ["absent.pem", "text.pem", "good.key", "pipe.pem"])
def test_the_same_words_for_authorities(folder: Path, name: str) -> None:
    """Of syslog's server, of the endpoint's clients, of the daemon that ``top`` asks."""
    file = folder / name
    (flaw,) = load_authorities(context(), file)
    config = Config.model_validate(
        {"syslog": {"server": "a.example:6514", "protocol": "tls", "ca_file": str(file)}}
    )
    assert [(one.what, one.remedy) for one in syslog.faults(config)] == [(str(flaw), flaw.remedy)]
    web = folder / "web.yml"
    web.write_text(
        "tls_server_config: {cert_file: good.pem, key_file: good.key, client_auth_type: RequireAndVerifyClientCert, "
        f"client_ca_file: {file}}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_web(web)
    assert [(one.what, one.remedy) for one in caught.value.problems] == [
        (f"client_ca_file: {flaw}", flaw.remedy)
    ]
    with pytest.raises(UsageError) as refused:
        Daemon("https://127.0.0.1:9478", ca=file)
    assert (refused.value.where, refused.value.what, refused.value.remedy) == (
        str(file),
        flaw.what,
        flaw.remedy,
    )


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o644, 0o666])
def test_a_key_that_is_open_to_everybody(folder: Path, mode: int) -> None:
    """Whatever everybody may do with it; the group may read it."""
    key = folder / "open.key"
    key.chmod(mode)
    _, (flaw,) = load_pair(context(), folder / "open.pem", key)
    assert (flaw.setting, flaw.code) == ("key_file", "mode")
    assert "chmod 640" in flaw.remedy
    key.chmod(0o640)
    assert load_pair(context(), folder / "open.pem", key)[1] == []


def test_every_fault_of_a_pair_at_once(folder: Path) -> None:
    """And of a pair that lacks one, those of the other."""
    key = folder / "open.key"
    key.chmod(0o644)
    expires, flaws = load_pair(context(), folder / "old.pem", key)
    assert [flaw.code for flaw in flaws] == ["expired", "mode", "key_mismatch"]
    assert expires > 0
    assert [flaw.code for flaw in load_pair(context(), None, key)[1]] == ["mode"]
    assert [flaw.code for flaw in load_pair(context(), folder / "old.pem", None)[1]] == ["expired"]
    assert load_pair(context(), None, None) == (0.0, [])


def test_text_around_what_counts_does_not_count(folder: Path, tmp_path: Path) -> None:
    """Notes in any encoding, the key in the file of its certificate, parameters of a curve in front of the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate, _ = Authority(tmp_path / "own").issue("own", key=key)
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    curve = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    both = tmp_path / "both.pem"
    both.write_bytes(NOTE + certificate.read_bytes() + curve + plain)
    both.chmod(0o600)
    assert load_pair(context(), both, both)[1] == []
    list_of_two = tmp_path / "list.pem"
    list_of_two.write_bytes(NOTE + (folder / "ca.pem").read_bytes() + NOTE + certificate.read_bytes())
    believer = context()
    assert load_authorities(believer, list_of_two) == []
    assert believer.cert_store_stats()["x509"] == 2


def test_a_key_in_the_place_of_its_name_is_not_repeated(folder: Path) -> None:
    """Who pastes it into a setting finds it in no message."""
    key = (folder / "good.key").read_text()
    _, (flaw,) = load_pair(context(), folder / "good.pem", Path(key))
    assert (flaw.code, flaw.file) == ("value", "")
    settings = {"server": "a.example:6514", "protocol": "tls", "cert_file": str(folder / "good.pem")}
    config = Config.model_validate({"syslog": {**settings, "key_file": key}})
    told = [str(one) for one in (flaw, *syslog.faults(config))]
    with pytest.raises(ConfigError) as caught:
        syslog.make_context(config.syslog)
    told.append(str(caught.value))
    assert all("not its name" in one for one in told)
    assert not any(line in one for line in key.splitlines() for one in told)
