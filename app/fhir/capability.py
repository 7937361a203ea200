"""What ``/fhir`` can do, as a FHIR R4 CapabilityStatement, from the same table as the routes."""

from typing import Any

from app.fhir.create import MAX_BODY, MAX_ENTRIES

#: Resource type → what may be done with it, and by which parameters it is searched.
RESOURCES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Patient": (("search-type",), ("identifier",)),
    "Observation": (("read", "search-type", "create"), ("patient", "category", "code", "date")),
    "CarePlan": (("search-type", "create"), ("patient", "date")),
    "DocumentReference": (("search-type", "create"), ("patient", "date")),
    "Consent": (("search-type", "create"), ("patient",)),
    "AuditEvent": (("search-type",), ("patient",)),
    "Provenance": (("search-type",), ("patient", "category", "date")),
}


def statement(origin: str) -> dict[str, Any]:
    """Return the statement."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-22",
        "kind": "instance",
        "software": {"name": "Hälsovalvet"},
        "implementation": {"description": f"Hälsovalvet ({origin})"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/fhir+ndjson"],
        "rest": [
            {
                "mode": "server",
                "documentation": (
                    f"A Bundle holds at most {MAX_ENTRIES} entries and {MAX_BODY >> 20} MiB. "
                    "Lists begin with the newest (_sort=date: with the oldest). "
                    "They tell a total where it is known without opening what is not shown."
                ),
                "security": {"description": "Bearer tokens; every access is decided by consent and logged."},
                "resource": [_resource(name) for name in RESOURCES],
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
                "operation": [
                    {
                        "name": "everything",
                        "definition": "http://hl7.org/fhir/OperationDefinition/Patient-everything",
                    }
                ],
            }
        ],
    }


def _resource(name: str) -> dict[str, Any]:
    interactions, parameters = RESOURCES[name]
    kinds = {"patient": "reference", "date": "date"}
    return {
        "type": name,
        "interaction": [{"code": code} for code in interactions],
        "searchParam": [{"name": one, "type": kinds.get(one, "token")} for one in parameters],
    }
