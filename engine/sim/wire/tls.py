"""A certificate authority for tests, made on the fly: never a real one."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 30
CA_FILE = "ca.pem"
SERVER_FILE = "server.pem"
HOST_NAMES = ("localhost",)
ADDRESSES = ("127.0.0.1", "::1")


def server_context(folder: Path, now_ns: int) -> ssl.SSLContext:
    """Make ``ca.pem`` (for clients to trust) and ``server.pem`` (certificate and key) in ``folder``; return a context.

    ``now_ns`` is Unix time; the certificates begin a day earlier and live ``VALID_DAYS``. Raises ``OSError``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_certificates(folder, now_ns)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / SERVER_FILE)
    return context


def write_certificates(folder: Path, now_ns: int) -> None:
    """Write a new authority and a server certificate signed by it."""
    moment = datetime.datetime.fromtimestamp(now_ns // 1_000_000_000, datetime.UTC)
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("Tradewind test authority")
    ca = _builder(ca_name, ca_name, ca_key.public_key(), moment)
    ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    ca = ca.add_extension(_usage(signs_certificates=True), critical=True)
    authority = ca.add_extension(_key_id(ca_key.public_key()), critical=False).sign(ca_key, hashes.SHA256())
    server = _builder(_name("localhost"), ca_name, server_key.public_key(), moment)
    server = server.add_extension(x509.SubjectAlternativeName(_subjects()), critical=False)
    server = server.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    server = server.add_extension(_usage(signs_certificates=False), critical=True)
    server = server.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    server = server.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
    )
    certificate = server.sign(ca_key, hashes.SHA256())
    key_text = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / CA_FILE).write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    _write_private(folder / SERVER_FILE, certificate.public_bytes(serialization.Encoding.PEM) + key_text)


def _write_private(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _subjects() -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in HOST_NAMES]
    return names + [x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]


def _key_id(key: ec.EllipticCurvePublicKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, moment: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - datetime.timedelta(days=1))
        .not_valid_after(moment + datetime.timedelta(days=VALID_DAYS))
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
