"""Sealed records: head, drawers, generations, segments, summaries, erasure."""
