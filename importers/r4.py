"""Closed lists of FHIR R4 (4.0.1), and its dates.

Source: https://hl7.org/fhir/R4/resourcelist.html, observation.html, datatypes.html#dateTime.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

from importers.candidates import YEARS

RESOURCE_TYPES = frozenset(
    [
        "Account",
        "ActivityDefinition",
        "AdverseEvent",
        "AllergyIntolerance",
        "Appointment",
        "AppointmentResponse",
        "AuditEvent",
        "Basic",
        "Binary",
        "BiologicallyDerivedProduct",
        "BodyStructure",
        "Bundle",
        "CapabilityStatement",
        "CarePlan",
        "CareTeam",
        "CatalogEntry",
        "ChargeItem",
        "ChargeItemDefinition",
        "Claim",
        "ClaimResponse",
        "ClinicalImpression",
        "CodeSystem",
        "Communication",
        "CommunicationRequest",
        "CompartmentDefinition",
        "Composition",
        "ConceptMap",
        "Condition",
        "Consent",
        "Contract",
        "Coverage",
        "CoverageEligibilityRequest",
        "CoverageEligibilityResponse",
        "DetectedIssue",
        "Device",
        "DeviceDefinition",
        "DeviceMetric",
        "DeviceRequest",
        "DeviceUseStatement",
        "DiagnosticReport",
        "DocumentManifest",
        "DocumentReference",
        "EffectEvidenceSynthesis",
        "Encounter",
        "Endpoint",
        "EnrollmentRequest",
        "EnrollmentResponse",
        "EpisodeOfCare",
        "EventDefinition",
        "Evidence",
        "EvidenceVariable",
        "ExampleScenario",
        "ExplanationOfBenefit",
        "FamilyMemberHistory",
        "Flag",
        "Goal",
        "GraphDefinition",
        "Group",
        "GuidanceResponse",
        "HealthcareService",
        "ImagingStudy",
        "Immunization",
        "ImmunizationEvaluation",
        "ImmunizationRecommendation",
        "ImplementationGuide",
        "InsurancePlan",
        "Invoice",
        "Library",
        "Linkage",
        "List",
        "Location",
        "Measure",
        "MeasureReport",
        "Media",
        "Medication",
        "MedicationAdministration",
        "MedicationDispense",
        "MedicationKnowledge",
        "MedicationRequest",
        "MedicationStatement",
        "MedicinalProduct",
        "MedicinalProductAuthorization",
        "MedicinalProductContraindication",
        "MedicinalProductIndication",
        "MedicinalProductIngredient",
        "MedicinalProductInteraction",
        "MedicinalProductManufactured",
        "MedicinalProductPackaged",
        "MedicinalProductPharmaceutical",
        "MedicinalProductUndesirableEffect",
        "MessageDefinition",
        "MessageHeader",
        "MolecularSequence",
        "NamingSystem",
        "NutritionOrder",
        "Observation",
        "ObservationDefinition",
        "OperationDefinition",
        "OperationOutcome",
        "Organization",
        "OrganizationAffiliation",
        "Parameters",
        "Patient",
        "PaymentNotice",
        "PaymentReconciliation",
        "Person",
        "PlanDefinition",
        "Practitioner",
        "PractitionerRole",
        "Procedure",
        "Provenance",
        "Questionnaire",
        "QuestionnaireResponse",
        "RelatedPerson",
        "RequestGroup",
        "ResearchDefinition",
        "ResearchElementDefinition",
        "ResearchStudy",
        "ResearchSubject",
        "RiskAssessment",
        "RiskEvidenceSynthesis",
        "Schedule",
        "SearchParameter",
        "ServiceRequest",
        "Slot",
        "Specimen",
        "SpecimenDefinition",
        "StructureDefinition",
        "StructureMap",
        "Subscription",
        "Substance",
        "SubstanceNucleicAcid",
        "SubstancePolymer",
        "SubstanceProtein",
        "SubstanceReferenceInformation",
        "SubstanceSourceMaterial",
        "SubstanceSpecification",
        "SupplyDelivery",
        "SupplyRequest",
        "Task",
        "TerminologyCapabilities",
        "TestReport",
        "TestScript",
        "ValueSet",
        "VerificationResult",
        "VisionPrescription",
    ]
)

OBSERVATION_STATUS = frozenset(
    ("registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown")
)

#: The elements of an Observation and the JSON type of each.
OBSERVATION_ELEMENTS: dict[str, type] = {
    **dict.fromkeys(("resourceType", "id", "implicitRules", "language", "status", "issued"), str),
    **dict.fromkeys(("effectiveDateTime", "effectiveInstant"), str),
    **dict.fromkeys(("valueString", "valueTime", "valueDateTime"), str),
    **dict.fromkeys(("meta", "text", "code", "subject", "encounter", "bodySite", "method", "specimen"), dict),
    **dict.fromkeys(("device", "dataAbsentReason", "effectivePeriod", "effectiveTiming"), dict),
    **dict.fromkeys(("valueQuantity", "valueCodeableConcept", "valueRange", "valueRatio"), dict),
    **dict.fromkeys(("valueSampledData", "valuePeriod"), dict),
    **dict.fromkeys(("contained", "extension", "modifierExtension", "identifier", "basedOn", "partOf"), list),
    **dict.fromkeys(("category", "focus", "performer", "interpretation", "note", "referenceRange"), list),
    **dict.fromkeys(("hasMember", "derivedFrom", "component"), list),
    "valueBoolean": bool,
    "valueInteger": int,
}

#: What may stand in a component besides its code.
VALUES = tuple(name for name in OBSERVATION_ELEMENTS if name.startswith("value"))
EFFECTIVE = tuple(name for name in OBSERVATION_ELEMENTS if name.startswith("effective"))

_DATE_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(Z|[+-]\d\d:\d\d))?)?)?", re.ASCII
)
_LAST_SECOND = 59


def parse_date_time(text: str) -> tuple[datetime, bool] | None:
    """Return a dateTime and whether it says the whole of it; ``None`` if it is none.

    Of a partial date (a year, a month, a day) the start of the period in UTC is taken: that instant falls on
    the same day in Swedish time and in the filing month, and the resource is kept for what was written.
    A leap second is read as the second before, and digits beyond the microsecond are dropped.
    """
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    if int(year) not in YEARS:
        return None
    try:
        at = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0),
            min(int(second or 0), _LAST_SECOND), int((fraction or "0").ljust(6, "0")[:6]), tzinfo=_zone(zone),
        )  # fmt: skip
    except ValueError:
        return None
    whole = hour is not None and int(second) <= _LAST_SECOND and len(fraction or "") <= len("123456")
    return at, whole


def _zone(text: str | None) -> timezone:
    if text is None or text in {"Z", "+00:00", "-00:00"}:
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    offset = timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or hours > 14:  # noqa: PLR2004 - the bounds of FHIR's own expression for a zone
        raise ValueError("no such zone")
    return timezone(-offset if text[0] == "-" else offset)
