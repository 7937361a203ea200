"""Another reader of sealed keys and wraps, from docs/spec/envelope-v1.md and the RFCs alone, with no code of ours.

HPKE in base mode (RFC 9180) over the hybrid KEM MLKEM768-X25519, as section 4 of the specification spells it out.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SUITE = b"HPKE" + bytes.fromhex("647a00010002")


def open_hpke(seed: bytes, sealed: bytes, info: bytes) -> bytes:
    """Open ``enc ‖ ciphertext`` with a private half of 96 bytes."""
    enc, ciphertext = sealed[:1120], sealed[1120:]
    secret = _secret(seed, enc)
    context = b"\0" + _extract(b"", b"psk_id_hash", b"") + _extract(b"", b"info_hash", info)
    derived = _extract(secret, b"secret", b"")
    key, nonce = _expand(derived, b"key", context, 32), _expand(derived, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, ciphertext, b"")


def _secret(seed: bytes, enc: bytes) -> bytes:
    own = X25519PrivateKey.from_private_bytes(seed[64:])
    first = MLKEM768PrivateKey.from_seed_bytes(seed[:64]).decapsulate(enc[:1088])
    second = own.exchange(X25519PublicKey.from_public_bytes(enc[1088:]))
    public = own.public_key().public_bytes_raw()
    return hashlib.sha3_256(first + second + enc[1088:] + public + rb"\.//^" + b"\\").digest()


def _extract(salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + _SUITE + label + material, "sha256")


def _expand(key: bytes, label: bytes, context: bytes, size: int) -> bytes:
    info = size.to_bytes(2, "big") + b"HPKE-v1" + _SUITE + label + context
    return hmac.digest(key, info + b"\1", "sha256")[:size]
