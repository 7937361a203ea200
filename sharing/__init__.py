"""Use cases that span rule and record: grant, revoke, preview, read, add, ask."""
