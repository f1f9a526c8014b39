"""Certificates of one node: its own authority, its server certificate, and members' client certificates.

A member's certificate names it as common name and opens what is its own to read. It signs nothing: what goes
into the ledger is signed by the envelope's key.
"""

import datetime as dt
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ledger.errors import Malformed
from ledger.identifiers import check_member_id

CA_DAYS, LEAF_DAYS = 3650, 825
CA_KEY, CA_CERT = "ca.key", "ca.pem"
SERVER_KEY, SERVER_CERT = "server.key", "server.pem"


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)


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


def make_authority(folder: Path, name: str, hosts: list[str], now: dt.datetime) -> None:
    """Write the node's authority and a server certificate for `hosts` (names or addresses) into `folder`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name(f"{name} node authority")
    ca = (
        _builder(issuer, issuer, ca_key.public_key(), now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    names = [_alternative(host) for host in hosts]
    server = (
        _builder(_name(name), issuer, server_key.public_key(), now, LEAF_DAYS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write_key(folder / CA_KEY, ca_key)
    _write_key(folder / SERVER_KEY, server_key)
    (folder / CA_CERT).write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (folder / SERVER_CERT).write_bytes(server.public_bytes(serialization.Encoding.PEM))


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
    except ValueError as error:
        raise Malformed("certificate request", str(error)) from None
    named = [attribute.value for attribute in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if named != [member] or not request.is_signature_valid:
        raise Malformed("certificate request", f"it is made for {named}, not for {member}")
    public_key = request.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise Malformed("certificate request", "an EC P-256 key is expected")
    ca_key = serialization.load_pem_private_key((folder / CA_KEY).read_bytes(), None)
    ca = x509.load_pem_x509_certificate((folder / CA_CERT).read_bytes())
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise Malformed(str(folder / CA_KEY), "an EC key is expected")
    certificate = (
        _builder(_name(member), ca.subject, public_key, now, LEAF_DAYS)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
