"""Ed25519 by libsodium (RFC 8032). What libsodium accepts, OpenSSL and WebCrypto accept too, not the other
way round; so every node verifies with it."""

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError

from ledger.errors import VerifyFailed

PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64


def verify(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Return if `signature` (64 bytes) over `message` holds under `public_key` (32 bytes), else VerifyFailed."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise VerifyFailed("signature", f"key of {len(public_key)} bytes, signature of {len(signature)}")
    try:
        crypto_sign_open(signature + message, public_key)
    except CryptoError:
        raise VerifyFailed("signature", f"does not hold under key {public_key.hex()}") from None


def sign(seed: bytes, message: bytes) -> bytes:
    """The 64-byte signature over `message` by the key pair of a 32-byte seed."""
    _, secret = crypto_sign_seed_keypair(seed)
    signed: bytes = crypto_sign(message, secret)
    return signed[:SIGNATURE_BYTES]


def public_key(seed: bytes) -> bytes:
    """The 32-byte public key of a 32-byte seed."""
    public: bytes = crypto_sign_seed_keypair(seed)[0]
    return public
