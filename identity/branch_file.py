"""A signed branch as one file, as its organisation sends it (docs/spec/directory-v1.md).

The first line holds the signature, everything after it is the branch's JSON, byte for byte as it was signed::

    halsovalvet-signed-branch 1 <signature, base64>
    {"format": "halsovalvet-directory-branch", ..
"""

import base64

from identity.branch import LARGEST, BranchError, SignedBranch

_BEGINS = b"halsovalvet-signed-branch 1 "
_SIGNATURE = 64
_FIRST_LINE = len(_BEGINS) + 88  # 64 bytes in base64
#: No signed branch's file is larger.
LARGEST_FILE = _FIRST_LINE + 1 + LARGEST


def write_file(signed: SignedBranch) -> bytes:
    """Return a signed branch as a file."""
    return _BEGINS + base64.b64encode(signed.signature) + b"\n" + signed.payload


def read_file(raw: bytes) -> SignedBranch:
    """Read a file; neither signature nor content is checked by that.

    Raises:
        BranchError: it does not begin as it must.
    """
    first, _, payload = raw.partition(b"\n")
    if not first.startswith(_BEGINS):
        raise BranchError(f"line 1: must begin with '{_BEGINS.decode()}'; 'valv directory sign' writes it")
    try:
        signature = base64.b64decode(first.removeprefix(_BEGINS), validate=True)
    except ValueError:
        signature = b""
    if len(signature) != _SIGNATURE or len(first) != _FIRST_LINE:
        raise BranchError("line 1: must end with a signature, 88 characters of base64")
    return SignedBranch(payload, signature)
