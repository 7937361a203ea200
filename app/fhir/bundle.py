"""Bundles outwards."""

from collections.abc import Mapping, Sequence
from typing import Any


def searchset(
    resources: Sequence[Mapping[str, Any]],
    *,
    total: int | None = None,
    links: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Return a searchset Bundle; ``total`` counts what may be seen, over all pages."""
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(resources) if total is None else total,
    }
    if links:
        bundle["link"] = list(links)
    if resources:
        bundle["entry"] = [{"resource": resource, "search": {"mode": "match"}} for resource in resources]
    return bundle
