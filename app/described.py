"""What the framework cannot see of our routes: bodies that are streamed or are FHIR, search parameters, tokens.

The handlers read these themselves, strictly; here they are told to whoever reads ``/schema``.
"""

from typing import Any

from app.fhir.capability import RESOURCES

_FHIR = "application/fhir+json"
_FORM = "application/x-www-form-urlencoded"
_UPLOAD = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "rehearse": {"type": "boolean", "description": "read it and store nothing"},
        "file": {
            "type": "string",
            "format": "binary",
            "description": "Apple Health zip or xml, or FHIR R4 json",
        },
    },
}
_IDENTIFIER = {
    "type": "object",
    "required": ["identifier"],
    "properties": {"identifier": {"type": "string", "description": "<system>|<value>, never in a URL"}},
}
_RESOURCE = {"type": "object", "description": "a FHIR R4 resource"}
_SEARCHED = {
    "patient": "id from Patient/_search; a citizen's own where it is left out",
    "category": "a category of ours, or one of FHIR's observation categories",
    "code": "[<system>|]<code>",
    "date": "[eq|ge|gt|le|lt]YYYY-MM-DD, more than once for a period",
    "_count": "how many a page",
    "_cursor": "from where: as the next link has it",
}
#: The query parameters that handlers under ``/api`` read themselves.
_ASKED = {
    "/api/consents/at": {"day": "a Swedish day, as 2026-01-31", "category": "one of ours"},
    "/api/sharing/seers": {"category": "one of ours", "record": "or the id of a record"},
    "/api/sharing/as": {
        "unit": "HSA-id of the unit whose staff's eyes are borrowed",
        "whom": "person:<HSA-id> or role:<unit>/<title>: one there whom the rules name",
    },
}
_ASKED["/api/sharing/as/records"] = {
    **_ASKED["/api/sharing/as"],
    **{name: _SEARCHED[name] for name in ("category", "_count", "_cursor")},
}


def describe(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the generated description with what it lacks."""
    schema.setdefault("components", {})["securitySchemes"] = {"Bearer": {"type": "http", "scheme": "bearer"}}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            if path.startswith(("/api", "/fhir")) and path != "/fhir/metadata":
                operation["security"] = [{"Bearer": []}]
            if path.startswith("/fhir") and method == "get":
                operation["parameters"] = [*operation.get("parameters", []), *_parameters(path)]
            if method == "get" and path in _ASKED:
                told = [_parameter(name, text) for name, text in _ASKED[path].items()]
                operation["parameters"] = [*operation.get("parameters", []), *told]
            if (method, path) == ("post", "/api/imports"):
                operation["parameters"] = [_parameter("rehearse", "true: read it and store nothing")]
            body = _body(path, method)
            if body is not None:
                operation["requestBody"] = {"required": True, "content": body}
    return schema


def _parameters(path: str) -> list[dict[str, Any]]:
    kind = path.removeprefix("/fhir/")
    names = RESOURCES.get(kind, ((), ()))[1]
    if kind == "{kind}":
        names = ("patient", "category", "code", "date")
    paged = ("_count", "_cursor") if names or path.endswith("everything") else ()
    return [_parameter(name, _SEARCHED[name]) for name in (*names, *paged)]


def _parameter(name: str, told: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": told, "schema": {"type": "string"}}


def _body(path: str, method: str) -> dict[str, Any] | None:
    match method, path:
        case "post", "/api/imports":
            return {"multipart/form-data": {"schema": _UPLOAD}}
        case "post", "/fhir/Patient/_search":
            return {_FORM: {"schema": _IDENTIFIER}}
        case "post", _ if path.endswith("/_search"):
            told = {name: {"type": "string", "description": text} for name, text in _SEARCHED.items()}
            return {_FORM: {"schema": {"type": "object", "properties": told}}}
        case "post", _ if path.startswith("/fhir"):
            return {_FHIR: {"schema": _RESOURCE}}
        case _:
            return None
