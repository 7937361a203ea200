"""Whose signature a branch must bear: each organisation's public keys, pinned in the KeyStore by the operator.

The keys of an organisation are a list that only grows. A new branch must be signed by the newest of them. What
is stored keeps holding by the key that signed it, so that replacing a key takes no unit out of the directory;
the next branch that the organisation sends moves it to the new key.

The list is asked for further keys whenever the known ones do not fit, so that another process's registering is seen
at once.
"""

from collections.abc import Iterator, Mapping

from identity.directory import DirectoryError
from identity.numbers import is_plain_hsa_id
from keys.keystore import KeyStore
from keys.primitives import fingerprint


class _NoFurtherKeyError(Exception):
    """The list ends here."""


def register_organisation(keystore: KeyStore, organisation: str, public: bytes) -> None:
    """Pin the first public key (Ed25519, 32 bytes) of an organisation; the same again changes nothing.

    Raises:
        DirectoryError: the id is not an HSA-id, or another key is pinned.
    """
    if not is_plain_hsa_id(organisation):
        raise DirectoryError("the id must be an HSA-id: SE, 10 digits, -, 1 to 18 of A-Z and 0-9")
    keystore.service_secret(_pin(organisation, 1), make=lambda: public)
    if (newest := newest_key(keystore, organisation)) != public:
        raise DirectoryError(f"{organisation}: another key is registered, {fingerprint(newest)}")


def register_organisations(keystore: KeyStore, publics: Mapping[str, bytes]) -> None:
    """Pin the first key of many organisations at once.

    Raises:
        DirectoryError: as :func:`register_organisation`, for the first of them that it is true of.
    """
    keystore.keep_service_secrets({_pin(one, 1): public for one, public in publics.items()})
    for organisation, public in publics.items():
        register_organisation(keystore, organisation, public)


def replace_key(keystore: KeyStore, organisation: str, public: bytes, *, replaces: str) -> None:
    """Pin a further public key in place of the newest, which ``replaces`` names by its fingerprint.

    Raises:
        DirectoryError: the newest is another, the organisation had this key already, or somebody came first.
    """
    in_use, pinned = fingerprint(newest_key(keystore, organisation)), list(keys_of(keystore, organisation))
    if in_use != replaces.lower():
        raise DirectoryError(f"{organisation}: the key in use has another fingerprint, {in_use}")
    if public in pinned:
        raise DirectoryError(f"{organisation}: this key is or was the organisation's; make a new one")
    if keystore.service_secret(_pin(organisation, len(pinned) + 1), make=lambda: public) != public:
        raise DirectoryError(f"{organisation}: another key was registered at the same time")


def newest_key(keystore: KeyStore, organisation: str) -> bytes:
    """Return the public key that a new branch must be signed by.

    Raises:
        DirectoryError: the organisation is not registered.
    """
    pinned = list(keys_of(keystore, organisation))
    if not pinned:
        raise DirectoryError(f"{organisation}: no key is registered for the organisation")
    return pinned[-1]


def keys_of(keystore: KeyStore, organisation: str) -> Iterator[bytes]:
    """Yield an organisation's public keys, oldest first; each is looked for only when it is asked for."""

    def none() -> bytes:
        raise _NoFurtherKeyError

    number = 1
    while True:
        try:
            yield keystore.service_secret(_pin(organisation, number), make=none)
        except _NoFurtherKeyError:
            return
        number += 1


def _pin(organisation: str, number: int) -> str:
    name = f"directory-organisation/{organisation}"
    return name if number == 1 else f"{name}/{number}"
