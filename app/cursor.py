"""Where a page ends, as the link to the next carries it: sealed, so that an address tells no time and no record.

It permits nothing: the next page is a reading of its own. It opens for the same patient's vault only.
"""

import base64
import binascii
import struct

from app.errors import BadRequestError
from keys.envelope import context, open_box, seal_box
from keys.keystore import KeyStore
from keys.primitives import CannotOpenError, MalformedError
from sharing.paging import Mark

_PLACE = struct.Struct(">qBQq")  # start, category, fingerprint, total
_UNTOLD = -1


def seal(keystore: KeyStore, alias: bytes, mark: Mark, total: int | None) -> str:
    """Return the cursor after a record; the total that the first page told goes with it."""
    told = _UNTOLD if total is None else total
    raw = _PLACE.pack(mark.start, mark.category, mark.fingerprint, told)
    sealed = seal_box(keystore.service_key("cursor"), raw, bound_to=context("cursor", alias))
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def unseal(keystore: KeyStore, alias: bytes, text: str) -> tuple[Mark, int | None]:
    """Read a cursor.

    Raises:
        BadRequestError: not one of ours, or of another patient's list.
    """
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        raw = open_box(keystore.service_key("cursor"), sealed, bound_to=context("cursor", alias))
    except (binascii.Error, ValueError, MalformedError, CannotOpenError):
        raise BadRequestError("_cursor: not from a next link of this search") from None
    start, category, fingerprint, told = _PLACE.unpack(raw)
    return Mark(start, category, fingerprint), None if told == _UNTOLD else told
