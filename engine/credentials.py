"""Keys of a venue account, from credential files only: never from the environment, a command line or a configuration.

Files stand in $CREDENTIALS_DIRECTORY (systemd's `LoadCredential=` makes it): NAME.key holds the API key, NAME.secret
the HMAC secret, NAME.pem the Ed25519 private key. A file that others can read, or of another user, is refused.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

FILE_BYTES_MAX = 16_384


class CredentialError(Exception):
    """A credential is missing, unreadable, empty or open to others (exit code 77). The text never holds the secret."""


@dataclass(frozen=True)
class Credentials:
    """An API key and what signs with it. Neither is shown by `repr`."""

    key_type: str
    api_key: str = field(repr=False)
    secret: bytes = field(repr=False)


def credentials_directory() -> Path:
    """Where credential files are; raises CredentialError when $CREDENTIALS_DIRECTORY is not set."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise CredentialError(
            "CREDENTIALS_DIRECTORY is not set: let systemd's LoadCredential= make it, or set it to a private directory"
        )
    return Path(directory)


def load_credentials(name: str, key_type: str, directory: Path | None = None) -> Credentials:
    """Read NAME.key and NAME.secret (`hmac`) or NAME.pem (`ed25519`). Raises CredentialError naming the file."""
    directory = directory if directory is not None else credentials_directory()
    ending = {"hmac": "secret", "ed25519": "pem"}[key_type]
    api_key = read_private(directory / f"{name}.key").decode("ascii", "strict").strip()
    secret = read_private(directory / f"{name}.{ending}").strip()
    if not api_key.isprintable() or " " in api_key:
        raise CredentialError(f"credential {directory / f'{name}.key'}: must hold the API key alone")
    if key_type == "ed25519" and not secret.startswith(b"-----BEGIN "):
        raise CredentialError(f"credential {directory / f'{name}.pem'}: must be a PEM private key")
    return Credentials(key_type, api_key, secret)


def read_private(path: Path) -> bytes:
    """The content of a file that only its owner can read and that is ours or root's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise CredentialError(f"credential {path} is missing") from None
    except OSError as error:
        raise CredentialError(f"credential {path} cannot be read: {error.strerror}") from None
    try:
        refuse_open_file(path, os.fstat(descriptor))
        content = os.read(descriptor, FILE_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if not content.strip():
        raise CredentialError(f"credential {path} is empty")
    if len(content) > FILE_BYTES_MAX or not content.isascii():
        raise CredentialError(f"credential {path} is no key: it must be ASCII text of at most {FILE_BYTES_MAX} bytes")
    return content


def refuse_open_file(path: Path, found: os.stat_result) -> None:
    """Refuse what others can read or write, what is another user's, and what is no file."""
    if not stat.S_ISREG(found.st_mode):
        raise CredentialError(f"credential {path} is no file")
    if found.st_mode & 0o007:
        mode = stat.S_IMODE(found.st_mode)
        raise CredentialError(f"credential {path} is open to every user (mode {mode:04o}): chmod 0400 it")
    if found.st_uid not in (0, os.geteuid()):
        raise CredentialError(
            f"credential {path} belongs to uid {found.st_uid}: it must be the engine's user's or root's"
        )


def ed25519_signer(pem: bytes) -> Callable[[bytes], bytes]:
    """What signs a log-on: bytes in, the 64 raw bytes of the signature out (RFC 8032). Raises CredentialError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise CredentialError(f"the Ed25519 key cannot be read: {error}; it must be an unencrypted PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise CredentialError("the key in the .pem file is no Ed25519 key: make one, or set key_type to what it is")
    return key.sign
