"""The log's one error family."""


class AuditError(Exception):
    """Base of what audit/ raises to others; its text names the check that failed and never content."""


class LogUnavailableError(AuditError):
    """Nothing was acknowledged: without a durable entry, nothing may be opened or changed."""


class NoSuchEntryError(AuditError):
    """There is no such entry under this vault or organisation."""


class TooManyEntriesError(AuditError):
    """A proof would hold more entries than one file is to."""
