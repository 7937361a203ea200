"""What ``/fhir`` can do, as a FHIR R4 CapabilityStatement, from the same table as the routes."""

from typing import Any

#: Resource type → what may be done with it, and by which parameters it is searched.
RESOURCES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Patient": (("search-type",), ("identifier",)),
    "Observation": (("read", "search-type", "create"), ("patient", "category", "code", "date")),
    "CarePlan": (("search-type", "create"), ("patient", "date")),
    "DocumentReference": (("search-type", "create"), ("patient", "date")),
    "Consent": (("search-type",), ("patient",)),
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
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
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
