"""An identity folder: who a member is, its keys, and which node it talks to.

member.json   public: member id, name, kind, region, Ed25519 public key (base64)
signing.key   the Ed25519 seed, encrypted under a passphrase (scrypt, ChaCha20-Poly1305)
tls.key       EC P-256 key of the client certificate
tls.csr       its request, for the node's operator: suyuan-node certify
tls.crt       the certificate that came back
node.json     the connection file of the node: suyuan-node connection
nodes/        further nodes, each with a node.json and tls.crt of its own (client_sdk.access)
"""

import base64
import difflib
import json
import os
import stat
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.x509.oid import NameOID

from client_sdk import regions
from client_sdk.errors import KeyFileError
from ledger import entries, signature
from ledger.errors import Malformed
from ledger.identifiers import check_member_id
from ledger.policy import Policy, parse_policy
from ledger.records import MemberKind

PASSPHRASE_VARIABLE: Final = "SUYUAN_PASSPHRASE"
SCRYPT_N: Final = 1 << 15
_SCRYPT_N_MAX: Final = 1 << 20
_LABEL: Final = b"suyuan signing key v1"


class Connection(msgspec.Struct, frozen=True):
    """How to reach a node, and whom to believe: what `suyuan-node connection` writes."""

    name: str
    chain: str
    members: str
    readers: str
    ca: str
    policy: str
    web: str = ""  # where its pages are, for people and their browsers

    @property
    def chain_id(self) -> bytes:
        return bytes.fromhex(self.chain)

    def trusted(self) -> Policy:
        return parse_policy(self.policy)


class Public(msgspec.Struct, frozen=True):
    """member.json: what a member hands out about itself."""

    member: str
    name: str
    kind: str
    region: str
    key: bytes


class Identity(msgspec.Struct, frozen=True):
    """An unlocked identity; `seed` signs envelopes, `tls` is (private key, certificate) in PEM or None."""

    folder: Path
    public: Public
    seed: bytes
    tls: tuple[bytes, bytes] | None

    @property
    def member(self) -> str:
        return self.public.member

    @property
    def key_id(self) -> bytes:
        return entries.key_id(self.public.key)

    @property
    def site(self) -> str:
        """The main site, which every member has."""
        return f"{self.member}/main"


def create(
    folder: Path, member: str, name: str, kind: str, region: str, passphrase: str, scrypt_n: int = SCRYPT_N
) -> Identity:
    """Make the keys of a new identity in `folder`, and unlock it; KeyFileError where one is there already. `scrypt_n`
    is what guessing a passphrase costs."""
    check_new(folder, member, kind, region)
    if not passphrase:
        raise KeyFileError("the passphrase is empty: whoever copied signing.key could sign with it; choose one")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    seed = os.urandom(32)
    public = Public(member, name, kind, region, signature.public_key(seed))
    _write_private(folder / "signing.key", _encrypted(seed, passphrase, scrypt_n))
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write_private(folder / "tls.key", pem)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, member)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    (folder / "tls.csr").write_bytes(request.public_bytes(serialization.Encoding.PEM))
    (folder / "member.json").write_bytes(msgspec.json.format(msgspec.json.encode(public)) + b"\n")
    return Identity(folder, public, seed, None)


def check_new(folder: Path, member: str, kind: str, region: str) -> None:
    """What can be wrong with a new identity, before a passphrase is asked for."""
    check_member_id(member)
    kinds = [known.name.lower() for known in MemberKind]
    if kind not in kinds:
        raise Malformed("kind", f"{kind!r} is none of {', '.join(kinds)}")
    regions.check(region)
    if (folder / "signing.key").exists():
        raise KeyFileError(f"{folder} holds an identity already; nothing was changed")


def _write_private(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _derived(passphrase: str, salt: bytes, n: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=n, r=8, p=1).derive(passphrase.encode())


def _encrypted(seed: bytes, passphrase: str, n: int) -> bytes:
    salt, nonce = os.urandom(16), os.urandom(12)
    sealed = ChaCha20Poly1305(_derived(passphrase, salt, n)).encrypt(nonce, seed, _LABEL)
    content = {"kdf": "scrypt", "n": n, "r": 8, "p": 1, "cipher": "chacha20-poly1305"}
    values = {"salt": salt, "nonce": nonce, "sealed": sealed}
    encoded = {name: base64.b64encode(value).decode() for name, value in values.items()}
    return json.dumps(content | encoded, indent=2).encode() + b"\n"


def _decrypted(path: Path, passphrase: str) -> bytes:
    try:
        content: dict[str, Any] = json.loads(read_private(path))
        n = int(content["n"])
        if content["kdf"] != "scrypt" or content["cipher"] != "chacha20-poly1305" or not 2 <= n <= _SCRYPT_N_MAX:
            raise KeyFileError(f"{path}: another kind of key file than this version reads")
        salt, nonce, sealed = (base64.b64decode(content[name]) for name in ("salt", "nonce", "sealed"))
        seed = ChaCha20Poly1305(_derived(passphrase, salt, n)).decrypt(nonce, sealed, _LABEL)
    except InvalidTag:
        raise KeyFileError(f"{path}: the passphrase is wrong, or the file was altered") from None
    except (ValueError, KeyError, TypeError) as error:
        raise KeyFileError(f"{path}: not a key file ({error})") from None
    return seed


def read_private(path: Path) -> bytes:
    """A file that only its owner may read; KeyFileError otherwise."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyFileError(f"{path}: others may read it (mode {mode:o}); run: chmod 600 {path}")
        return path.read_bytes()
    except FileNotFoundError:
        raise KeyFileError(f"{path}: missing; make an identity with: suyuan keygen") from None


def open_folder(folder: Path, passphrase: str | None) -> tuple[Connection, Identity]:
    """The connection and the unlocked identity of a folder; the passphrase may stand in SUYUAN_PASSPHRASE."""
    load_public(folder)  # a folder without an identity is told before anything that it lacks
    given = passphrase if passphrase is not None else os.environ.get(PASSPHRASE_VARIABLE)
    if given is None:
        raise KeyFileError(f"{folder} needs a passphrase: give it, or set {PASSPHRASE_VARIABLE}")
    return load_connection(folder / "node.json"), load(folder, given)


def load(folder: Path, passphrase: str) -> Identity:
    """Unlock an identity; KeyFileError says what is wrong and what to do."""
    public = load_public(folder)
    seed = _decrypted(folder / "signing.key", passphrase)
    if signature.public_key(seed) != public.key:
        raise KeyFileError(f"{folder}: member.json names another key than signing.key holds")
    certificate = folder / "tls.crt"
    tls = (read_private(folder / "tls.key"), certificate.read_bytes()) if certificate.exists() else None
    return Identity(folder, public, seed, tls)


def load_public(folder: Path) -> Public:
    if not folder.is_dir():
        raise KeyFileError(f"there is no identity folder {folder}: {_beside(folder)}")
    return load_public_file(folder / "member.json")


def _beside(folder: Path) -> str:
    """What to do about a folder that is not there: the nearest of its neighbours that holds an identity."""
    near = folder.parent
    found = [one.name for one in near.iterdir() if (one / "member.json").exists()] if near.is_dir() else []
    close = difflib.get_close_matches(folder.name, found, 1, 0.5)
    known = f"did you mean {near / close[0]}? Else " if close else ""
    return f"{known}name it with -i or SUYUAN_IDENTITY, or make one with: suyuan keygen"


def load_public_file(path: Path) -> Public:
    """A member's public file; its member id is checked."""
    try:
        public = msgspec.json.decode(path.read_bytes(), type=Public)
    except FileNotFoundError:
        raise KeyFileError(f"{path}: missing; make an identity with: suyuan keygen") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        expected = "member.json, as suyuan keygen writes it, is expected"
        raise KeyFileError(f"{path}: not a member's public file ({error}); {expected}") from None
    check_member_id(public.member)
    return public


def load_connection(path: Path) -> Connection:
    """A node's connection file; its policy and its authority's certificate must parse."""
    writes = "the node's operator writes it with: suyuan-node connection"
    try:
        connection = msgspec.json.decode(path.read_bytes(), type=Connection)
        bytes.fromhex(connection.chain)
        x509.load_pem_x509_certificate(connection.ca.encode())
        connection.trusted()
    except FileNotFoundError:
        raise KeyFileError(f"{path}: missing; {writes}") from None
    except (msgspec.MsgspecError, ValueError, Malformed) as error:
        why = "its certificate cannot be read" if "PEM" in str(error) else str(error)
        raise Malformed(str(path), f"it is no connection file, or was damaged ({why}); {writes}") from None
    return connection
