"""Another reader of sealed keys and fingerprints, from docs/spec and the RFCs alone, with no code of ours.

HPKE in base mode (RFC 9180) over the hybrid KEM MLKEM768-X25519, as section 4 of the specification spells it out.
"""

import hashlib
import hmac
import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
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


def open_settled(seed: bytes, sealed: bytes, bound: bytes) -> bytes:
    """Open ``nonce ‖ ciphertext`` under the private half's own key."""
    key = hmac.digest(seed, b"halsovalvet/v1/own-key\0", "sha256")
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], bound)


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


def fingerprint(key: bytes, message: bytes) -> str:
    """CBC-MAC: the last block of AES-256 in CBC mode from zeros, its first 8 bytes."""
    cipher = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
    return cipher.update(message)[-16:][:8].hex()


def mark(intake: bytes, record: dict[str, Any]) -> str:
    """A record's fingerprint (docs/spec/vault-v1.md, section 3)."""
    key = _hkdf(intake, b"fingerprint")
    parts = record["components"]
    named = [field for part in parts for field in (part[0], part[1] or part[2], _unit(part[3]), part[5])]
    system, code, display = record["code"]
    shape = [record["kind"], system, code or display, record["status"], _unit(record["quantity"])]
    blocks = [_content(intake, *shape, record["device"], len(parts), *named)]
    start = _microseconds(record["start"])
    blocks.append(struct.pack("<qq", start, _microseconds(record["end"]) - start if record["end"] else -1))
    blocks += [_number(number) for number in (record["quantity"], *(part[3] for part in parts))]
    wordy = record["text"] or record["resource"]
    blocks.append(_content(intake, record["text"], record["resource"]) if wordy else bytes(16))
    return fingerprint(key, b"".join(blocks))


def _hkdf(secret: bytes, info: bytes) -> bytes:
    return hmac.digest(hmac.digest(bytes(32), secret, "sha256"), info + b"\1", "sha256")


def _content(intake: bytes, *fields: str | int) -> bytes:
    raw = b"halsovalvet/v1/content\0"
    for field in fields:
        coded = (
            field.to_bytes(8, "big") if isinstance(field, int) else hashlib.sha256(field.encode()).digest()
        )
        raw += len(coded).to_bytes(2, "big") + coded
    return hmac.digest(intake, raw, "sha256")[:16]


def _unit(number: list[str] | None) -> str:
    return number[1] if number else ""


def _number(number: list[str] | None) -> bytes:
    if number is None:
        return struct.pack("<qq", 0, 127)
    sign, digits, exponent = Decimal(number[0]).as_tuple()
    assert isinstance(exponent, int)
    return struct.pack("<qq", (-1 if sign else 1) * int("".join(map(str, digits))), exponent)


def _microseconds(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
