"""The one error family of identity/; app/ turns it into answers by one table."""


class IdentityError(Exception):
    """Base of what identity/ raises; its text names the check that failed, never a number, name or secret."""
