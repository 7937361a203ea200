"""The primitives, each under one name: hybrid HPKE, AES-256-GCM, HKDF, HMAC, Argon2id, Ed25519.

Invariant: no other module of the product imports ``cryptography``'s hazmat layer for secrets. Formats stand
in :mod:`keys.envelope`; who may open what is :mod:`keys.keystore`'s matter.
"""

import hashlib
import hmac
import os
from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

KEY_SIZE = 32
NONCE_SIZE = 12
SEED_SIZE = 64 + 32  # ML-KEM-768 seed, then the X25519 scalar
PUBLIC_SIZE = 1184 + 32  # ML-KEM-768 encapsulation key, then the X25519 point

_BLOCK, _BLOCKS = 64, 128
_fetched: deque[bytes] = deque()
os.register_at_fork(after_in_child=_fetched.clear)

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class KeysError(Exception):
    """Base of what keys/ raises; its text names the check that failed and never a secret or a cause."""


class CannotOpenError(KeysError):
    """Sealed bytes do not open: wrong key, wrong context, or changed bytes. Nothing tells which."""


class MalformedError(KeysError):
    """Bytes are not of the format and version they claim to be."""


def chance(size: int) -> bytes:
    """Return up to 64 random bytes for a salt, an id or a nonce, never for a key.

    They were fetched from the operating system with many others: each call to it hands the interpreter to another
    thread, which a request would wait for. A forked child begins with none.
    """
    try:
        return _fetched.popleft()[:size]
    except IndexError:
        block = os.urandom(_BLOCK * _BLOCKS)
        _fetched.extend(block[i : i + _BLOCK] for i in range(0, len(block), _BLOCK))
        return os.urandom(_BLOCK)[:size]


def random_key() -> bytes:
    """Return 32 bytes from the operating system."""
    return os.urandom(KEY_SIZE)


def derive(secret: bytes, *, label: str) -> bytes:
    """Return a 32-byte key bound to ``label`` (HKDF-SHA256, RFC 5869, no salt)."""
    return HKDF(SHA256(), KEY_SIZE, salt=None, info=label.encode()).derive(secret)


def stretch(passphrase: str, *, salt: bytes) -> bytes:
    """Return a 32-byte key from a passphrase (Argon2id, RFC 9106: 64 MiB, 3 passes, 4 lanes)."""
    return Argon2id(salt=salt, length=KEY_SIZE, iterations=3, lanes=4, memory_cost=64 * 1024).derive(
        passphrase.encode()
    )


def mac(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA256 of ``message``, 32 bytes."""
    return hmac.digest(key, message, "sha256")


def tag(key: bytes, message: bytes) -> bytes:
    """Return keyed BLAKE2b-256 of ``message`` (RFC 7693), 32 bytes: in a third of HMAC's time, for every request."""
    return hashlib.blake2b(message, key=key, digest_size=32).digest()


def same(left: bytes, right: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(left, right)


def fingerprints(key: bytes, blocks: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Return keyed 64-bit fingerprints of n messages: ``blocks`` are k blocks of each (k, n, two 64-bit words).

    It is CBC-MAC by AES-256 (ISO/IEC 9797-1, algorithm 1, no padding), its first 8 bytes read big-endian, for
    all rows at once. That is sound where no message is the beginning of another: a caller's first block must
    settle how many follow.
    """
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 the bare cipher, chained below
    state = np.zeros((blocks.shape[1], 2), dtype="<i8")
    for block in blocks:
        chained = cipher.update((state ^ block).tobytes())
        state = np.frombuffer(chained, dtype="<i8").reshape(-1, 2)
    return state[:, 0].copy().view(">u8").astype(np.uint64)


def encrypt(key: bytes, plaintext: bytes, *, associated: bytes) -> bytes:
    """Seal with AES-256-GCM under a fresh random nonce; return nonce, ciphertext and tag."""
    nonce = os.urandom(NONCE_SIZE)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, associated)


class Encryptor:
    """:func:`encrypt` with one key, parsed once, for what seals much under it."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def encrypt(self, plaintext: bytes, *, associated: bytes) -> bytes:
        """Seal with AES-256-GCM under a fresh random nonce; return nonce, ciphertext and tag."""
        nonce = chance(NONCE_SIZE)
        return nonce + self._cipher.encrypt(nonce, plaintext, associated)


def decrypt(key: bytes, sealed: bytes, *, associated: bytes) -> bytes:
    """Open what :func:`encrypt` sealed.

    Raises:
        CannotOpenError: wrong key, wrong associated data, or changed bytes.
    """
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], associated)
    except (InvalidTag, ValueError):
        raise CannotOpenError("the box does not open") from None


@dataclass(frozen=True, slots=True, repr=False)
class PublicKey:
    """The public half of a hybrid MLKEM768-X25519 pair; ``raw`` is 1,216 bytes."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != PUBLIC_SIZE:
            raise MalformedError("a public key has the wrong size")

    def seal(self, plaintext: bytes, *, info: bytes) -> bytes:
        """Seal to this key by single-shot HPKE (RFC 9180), bound to ``info``."""
        return _SUITE.encrypt(plaintext, _hybrid_public(self.raw), info)


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """A hybrid private key, kept as its two component secrets (96 bytes), since it has no serialiser."""

    seed: bytes

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_SIZE:
            raise MalformedError("a private key has the wrong size")

    @classmethod
    def generate(cls) -> "PrivateKey":
        """Make a new pair from the operating system's randomness."""
        return cls(os.urandom(SEED_SIZE))

    def public(self) -> PublicKey:
        """Return the public half."""
        mlkem = MLKEM768PrivateKey.from_seed_bytes(self.seed[:64]).public_key()
        x25519 = X25519PrivateKey.from_private_bytes(self.seed[64:]).public_key()
        return PublicKey(mlkem.public_bytes_raw() + x25519.public_bytes_raw())

    def opener(self) -> "Opener":
        """Return the key ready for many openings."""
        return Opener(self)


class Opener:
    """A private key that is parsed once, when it is first needed: that costs more than one opening."""

    def __init__(self, private: PrivateKey) -> None:
        self._seed = private.seed

    def own_key(self, label: bytes) -> bytes:
        """Derive a symmetric key, bound to ``label``, that only the private half gives."""
        return mac(self._seed, label)

    @cached_property
    def _key(self) -> MLKEM768X25519PrivateKey:
        return MLKEM768X25519PrivateKey(
            MLKEM768PrivateKey.from_seed_bytes(self._seed[:64]),
            X25519PrivateKey.from_private_bytes(self._seed[64:]),
        )

    def open(self, sealed: bytes, *, info: bytes) -> bytes:
        """Open what was sealed to the public half.

        Raises:
            CannotOpenError: wrong key, wrong ``info``, or changed bytes.
        """
        try:
            return _SUITE.decrypt(sealed, self._key, info)
        except (InvalidTag, ValueError):
            raise CannotOpenError("the sealed key does not open") from None


def _hybrid_public(raw: bytes) -> MLKEM768X25519PublicKey:
    try:
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(raw[:1184]), X25519PublicKey.from_public_bytes(raw[1184:])
        )
    except ValueError:
        raise MalformedError("a public key is not a valid point") from None


class Signer:
    """An Ed25519 signing key (RFC 8032) from its 32-byte seed, parsed once."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @classmethod
    def from_pem(cls, raw: bytes) -> "Signer":
        """Read what :meth:`pem` wrote, or ``openssl genpkey -algorithm ed25519``.

        Raises:
            MalformedError: it is not that.
        """
        try:
            key = load_pem_private_key(raw, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise MalformedError("not a private key in PEM, without a password") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise MalformedError("not an Ed25519 key")
        return cls(key.private_bytes_raw())

    def pem(self) -> bytes:
        """Return the private key as PKCS#8 PEM (RFC 8410)."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature."""
        return self._key.sign(message)

    def public(self) -> bytes:
        """Return the 32-byte public key."""
        return self._key.public_key().public_bytes_raw()


def signature_holds(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether an Ed25519 signature is that of ``public`` over ``message``."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def public_pem(public: bytes) -> bytes:
    """Return an Ed25519 public key as SubjectPublicKeyInfo PEM (RFC 8410)."""
    key = Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_from_pem(raw: bytes) -> bytes:
    """Read what :func:`public_pem` wrote, or ``openssl pkey -pubout``; return the key's 32 bytes.

    Raises:
        MalformedError: it is not that.
    """
    try:
        key = load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        raise MalformedError("not a public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise MalformedError("not an Ed25519 key")
    return key.public_bytes_raw()


def fingerprint(public: bytes) -> str:
    """Return SHA-256 of an Ed25519 public key's DER (``openssl pkey -pubin -outform DER``), in hex."""
    key = Ed25519PublicKey.from_public_bytes(public)
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def generate_es256_pem() -> bytes:
    """Make an EC P-256 key for ES256 (RFC 7518) and return it as PKCS#8 PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
