from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.credentials import CredentialError, credentials_directory, load_credentials


def put(directory: Path, name: str, text: str, mode: int = 0o400) -> Path:
    path = directory / name
    path.write_text(text)
    path.chmod(mode)
    return path


def test_keys_come_from_the_files_of_their_name(tmp_path: Path) -> None:
    put(tmp_path, "sim.key", "api-key\n")
    put(tmp_path, "sim.secret", "signing-secret\n")
    credentials = load_credentials("sim", "hmac", tmp_path)
    assert (credentials.api_key, credentials.secret) == ("api-key", b"signing-secret")


def test_an_ed25519_key_is_pem(tmp_path: Path) -> None:
    put(tmp_path, "sim.key", "api-key")
    put(tmp_path, "sim.pem", "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n")
    assert load_credentials("sim", "ed25519", tmp_path).secret.startswith(b"-----BEGIN")
    os.unlink(tmp_path / "sim.pem")
    put(tmp_path, "sim.pem", "rawbytes")
    with pytest.raises(CredentialError, match="PEM"):
        load_credentials("sim", "ed25519", tmp_path)


def test_a_repr_shows_no_secret(tmp_path: Path) -> None:
    put(tmp_path, "sim.key", "api-key")
    put(tmp_path, "sim.secret", "signing-secret")
    shown = repr(load_credentials("sim", "hmac", tmp_path))
    assert "api-key" not in shown
    assert "signing" not in shown


@pytest.mark.parametrize("mode", [0o404, 0o444, 0o644, 0o602, 0o777])
def test_a_file_open_to_every_user_is_refused_by_name(tmp_path: Path, mode: int) -> None:
    put(tmp_path, "sim.key", "api-key")
    put(tmp_path, "sim.secret", "signing-secret", mode)
    with pytest.raises(CredentialError, match=r"sim\.secret is open to every user") as caught:
        load_credentials("sim", "hmac", tmp_path)
    assert "signing" not in str(caught.value)


def test_a_missing_empty_or_impossible_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match=r"sim\.key is missing"):
        load_credentials("sim", "hmac", tmp_path)
    put(tmp_path, "sim.key", "api-key")
    put(tmp_path, "sim.secret", " \n")
    with pytest.raises(CredentialError, match=r"sim\.secret is empty"):
        load_credentials("sim", "hmac", tmp_path)
    (tmp_path / "dir.key").mkdir(mode=0o700)
    with pytest.raises(CredentialError, match=r"dir\.key"):
        load_credentials("dir", "hmac", tmp_path)
    put(tmp_path, "two.key", "api key")
    put(tmp_path, "two.secret", "x")
    with pytest.raises(CredentialError, match="API key alone"):
        load_credentials("two", "hmac", tmp_path)
    put(tmp_path, "odd.key", "schlüssel")
    with pytest.raises(CredentialError, match="ASCII"):
        load_credentials("odd", "hmac", tmp_path)


def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give a file away")
    os.chown(put(tmp_path, "sim.key", "api-key"), 65534, 65534)
    with pytest.raises(CredentialError, match="belongs to uid 65534"):
        load_credentials("sim", "hmac", tmp_path)


def test_without_a_directory_the_mend_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(CredentialError, match="LoadCredential"):
        credentials_directory()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert credentials_directory() == tmp_path
