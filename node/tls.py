"""Certificates of one node: its own authority, its server certificate, and members' client certificates.

A member's certificate names it as common name and opens what is its own to read. It signs nothing: what goes
into the ledger is signed by the envelope's key.
"""

import datetime as dt
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ledger.errors import Malformed
from ledger.identifiers import check_member_id
from node.keys import require_private

CA_DAYS, LEAF_DAYS = 3650, 825
ENDS_SOON = dt.timedelta(days=30)
REQUEST = "certificate request"
CA_KEY, CA_CERT = "ca.key", "ca.pem"
SERVER_KEY, SERVER_CERT = "server.key", "server.pem"


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _private_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all: written beside, synced, then renamed."""
    part = path.with_name(path.name + ".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def make_authority(folder: Path, name: str, now: dt.datetime) -> None:
    """Write the node's authority, which issues the certificates of the node and its members, into `folder`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = _name(f"{name} node authority")
    certificate = (
        _builder(issuer, issuer, key.public_key(), now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(folder / CA_KEY, _private_bytes(key), 0o600)
    _write(folder / CA_CERT, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def make_server(folder: Path, name: str, hosts: list[str], now: dt.datetime) -> dt.datetime:
    """Write a server key and its certificate for `hosts` (names or addresses); returns when it ends."""
    authority_key, authority = load_authority_key(folder), load_authority(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(name), authority.subject, key.public_key(), now, LEAF_DAYS)
        .add_extension(x509.SubjectAlternativeName([_alternative(host) for host in hosts]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write(folder / SERVER_KEY, _private_bytes(key), 0o600)
    _write(folder / SERVER_CERT, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return certificate.not_valid_after_utc


def hosts_of(certificate: x509.Certificate) -> list[str]:
    """The names and addresses that a server certificate is for; Malformed where it does not say."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise Malformed(SERVER_CERT, f"it names no host: {error}") from None
    return [str(name.value) for name in names]


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def certify(folder: Path, request_pem: bytes, member: str, now: dt.datetime) -> bytes:
    """A client certificate for `member`, whose request names it; Malformed where it names another."""
    check_member_id(member)
    try:
        request = x509.load_pem_x509_csr(request_pem)
    except ValueError:
        raise Malformed(REQUEST, "it is no certificate request; the member's tls.csr is expected") from None
    named = [str(attribute.value) for attribute in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if named != [member] or not request.is_signature_valid:
        made = ", ".join(named) or "nobody"
        raise Malformed(REQUEST, f"it is made for {made}, not for {member}; check --member, and whose tls.csr it is")
    public_key = request.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise Malformed(REQUEST, "an EC P-256 key is expected, as suyuan keygen makes it")
    authority_key, authority = load_authority_key(folder), load_authority(folder)
    certificate = (
        _builder(_name(member), authority.subject, public_key, now, LEAF_DAYS)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


# Loading, each held against the other files


def load_authority(folder: Path) -> x509.Certificate:
    """The node's authority; Malformed where it does not hold."""
    certificate = read_certificate(folder / CA_CERT)
    _require_issued_by(folder / CA_CERT, certificate, certificate)
    return certificate


def load_authority_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    return _key_of(folder / CA_KEY, load_authority(folder))


def load_server(folder: Path) -> x509.Certificate:
    """The server's certificate; Malformed where it, its key or the authority does not hold."""
    certificate = load_server_certificate(folder)
    _key_of(folder / SERVER_KEY, certificate)
    return certificate


def load_server_certificate(folder: Path) -> x509.Certificate:
    certificate = read_certificate(folder / SERVER_CERT)
    _require_issued_by(folder / SERVER_CERT, certificate, load_authority(folder))
    return certificate


def read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (ValueError, x509.InvalidVersion) as error:
        raise Malformed(str(path), f"it is no certificate: {error}") from None


def _require_issued_by(path: Path, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise Malformed(str(path), f"the authority's signature over it does not hold ({CA_CERT})") from None


def _key_of(path: Path, certificate: x509.Certificate) -> ec.EllipticCurvePrivateKey:
    """The private key of a certificate, tried out: a key file holds both halves, and either may be damaged."""
    require_private(path)
    try:
        public = certificate.public_key()
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Malformed(str(path), f"it is no private key: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(public, ec.EllipticCurvePublicKey):
        raise Malformed(str(path), "an EC P-256 key is expected")
    probe = b"one key"
    try:
        public.verify(key.sign(probe, ec.ECDSA(hashes.SHA256())), probe, ec.ECDSA(hashes.SHA256()))
        same = key.public_key().public_numbers() == public.public_numbers()
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        same = False
    if not same:
        raise Malformed(str(path), "it is not the key of its certificate")
    return key
