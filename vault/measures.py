"""The measures: what each code is, in which unit it is kept, and in which drawer.

The table is domain.md's home measurements and the codes that the formats we read bring with them. Importers,
pages and FHIR all ask here. Three questions are answered:

- :func:`category_of`: the drawer of a measurement. A code of the table decides alone, whatever category the
  source wrote; else our own category coding, else the source's FHIR category: ``laboratory`` → lab-result,
  everything else → other-measurement (an unknown ``survey`` too: mental health is PHQ and GAD only);
- :func:`category_of_resource`: the drawer of any other resource, by its type. What says where a person is
  found — the person's own demographics and next of kin, places, devices by name — goes to ``location``, which
  no other category's grant covers (skyddade personuppgifter);
- :func:`canonical`: the same quantity in the code's canonical UCUM unit, where it is known.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from policies.vocabulary import MEASUREMENTS, Category
from vault.record import Code, Quantity
from vault.units import convert

LOINC = "http://loinc.org"
HEALTHKIT = "https://developer.apple.com/documentation/healthkit"
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
#: The system of our own categories, wherever FHIR wants a coding of them.
OWN_CATEGORY = "urn:halsovalvet:category"

BLOOD_PRESSURE_PANEL = Code(LOINC, "85354-9", "Blood pressure")
SYSTOLIC = Code(LOINC, "8480-6", "Systolic blood pressure")
DIASTOLIC = Code(LOINC, "8462-4", "Diastolic blood pressure")
BLOOD_PRESSURE_PANELS = frozenset({"85354-9", "55284-4"})


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: its LOINC code, drawer, canonical UCUM unit (empty for a panel), and its two names.

    ``molar_mass`` (g/mol) stands where a mass concentration is to become mmol/L.
    """

    code: str
    category: Category
    unit: str
    sv: str
    en: str
    molar_mass: Decimal | None = None


_BP, _HR, _WEIGHT = Category.BLOOD_PRESSURE, Category.HEART_RATE, Category.BODY_WEIGHT
_BODY, _TEMPERATURE, _OXYGEN = Category.BODY_MEASURES, Category.BODY_TEMPERATURE, Category.OXYGEN_SATURATION
_BREATH, _GLUCOSE, _ACTIVITY = Category.RESPIRATION, Category.GLUCOSE, Category.ACTIVITY
_SLEEP, _SYMPTOM, _MIND = Category.SLEEP, Category.SYMPTOM, Category.MENTAL_HEALTH
_LAB, _OTHER = Category.LAB_RESULT, Category.OTHER_MEASUREMENT

_ROWS: tuple[tuple[str, Category, str, str, str], ...] = (
    ("85354-9", _BP, "", "Blodtryck", "Blood pressure"),
    ("55284-4", _BP, "", "Blodtryck", "Blood pressure"),
    ("8480-6", _BP, "mm[Hg]", "Övertryck", "Systolic blood pressure"),
    ("8462-4", _BP, "mm[Hg]", "Undertryck", "Diastolic blood pressure"),
    ("8478-0", _BP, "mm[Hg]", "Medelartärtryck", "Mean arterial pressure"),
    ("8867-4", _HR, "/min", "Puls", "Heart rate"),
    ("40443-4", _HR, "/min", "Vilopuls", "Resting heart rate"),
    ("80404-7", _HR, "ms", "Hjärtfrekvensvariabilitet (SDNN)", "Heart rate variability (SDNN)"),
    ("9279-1", _BREATH, "/min", "Andningsfrekvens", "Respiratory rate"),
    ("19935-6", _BREATH, "L/min", "PEF", "Peak expiratory flow"),
    ("20150-9", _BREATH, "L", "FEV1", "FEV1"),
    ("19868-9", _BREATH, "L", "FVC", "FVC"),
    ("8310-5", _TEMPERATURE, "Cel", "Kroppstemperatur", "Body temperature"),
    ("2708-6", _OXYGEN, "%", "Syremättnad", "Oxygen saturation"),
    ("59408-5", _OXYGEN, "%", "Syremättnad", "Oxygen saturation"),
    ("29463-7", _WEIGHT, "kg", "Vikt", "Body weight"),
    ("3141-9", _WEIGHT, "kg", "Vikt", "Body weight"),
    ("8302-2", _BODY, "cm", "Längd", "Body height"),
    ("39156-5", _BODY, "kg/m2", "BMI", "Body mass index"),
    ("8280-0", _BODY, "cm", "Midjemått", "Waist circumference"),
    ("41982-0", _BODY, "%", "Kroppsfett", "Body fat"),
    ("9843-4", _BODY, "cm", "Huvudomfång", "Head circumference"),
    ("15074-8", _GLUCOSE, "mmol/L", "Blodsocker", "Blood glucose"),
    ("14743-9", _GLUCOSE, "mmol/L", "Blodsocker, kapillärt", "Capillary blood glucose"),
    ("14749-6", _GLUCOSE, "mmol/L", "Plasmaglukos", "Plasma glucose"),
    ("105272-9", _GLUCOSE, "mmol/L", "Vävnadsglukos", "Interstitial glucose"),
    ("2339-0", _GLUCOSE, "mmol/L", "Blodsocker", "Blood glucose"),
    ("2345-7", _GLUCOSE, "mmol/L", "Plasmaglukos", "Plasma glucose"),
    ("41653-7", _GLUCOSE, "mmol/L", "Blodsocker, kapillärt", "Capillary blood glucose"),
    ("53060-9", _GLUCOSE, "mmol/L", "Ketoner", "Ketones"),
    ("59261-8", _LAB, "mmol/mol", "HbA1c", "HbA1c"),
    ("4548-4", _LAB, "%", "HbA1c (NGSP)", "HbA1c (NGSP)"),
    ("17856-6", _LAB, "%", "HbA1c (NGSP)", "HbA1c (NGSP)"),
    ("6301-6", _LAB, "{INR}", "INR", "INR"),
    ("1988-5", _LAB, "mg/L", "CRP", "CRP"),
    ("2085-9", _LAB, "mmol/L", "HDL-kolesterol", "HDL cholesterol"),
    ("2093-3", _LAB, "mmol/L", "Kolesterol", "Total cholesterol"),
    ("13457-7", _LAB, "mmol/L", "LDL-kolesterol", "LDL cholesterol"),
    ("18262-6", _LAB, "mmol/L", "LDL-kolesterol", "LDL cholesterol"),
    ("2571-8", _LAB, "mmol/L", "Triglycerider", "Triglycerides"),
    ("2160-0", _LAB, "umol/L", "Kreatinin", "Creatinine"),
    ("2823-3", _LAB, "mmol/L", "Kalium", "Potassium"),
    ("2951-2", _LAB, "mmol/L", "Natrium", "Sodium"),
    ("2075-0", _LAB, "mmol/L", "Klorid", "Chloride"),
    ("2028-9", _LAB, "mmol/L", "Koldioxid", "Carbon dioxide"),
    ("17861-6", _LAB, "mmol/L", "Kalcium", "Calcium"),
    ("718-7", _LAB, "g/L", "Hemoglobin", "Haemoglobin"),
    ("4544-3", _LAB, "%", "Hematokrit", "Haematocrit"),
    ("6690-2", _LAB, "10*9/L", "Vita blodkroppar", "White blood cells"),
    ("777-3", _LAB, "10*9/L", "Trombocyter", "Platelets"),
    ("789-8", _LAB, "10*12/L", "Röda blodkroppar", "Red blood cells"),
    ("785-6", _LAB, "pg", "MCH", "MCH"),
    ("786-4", _LAB, "g/L", "MCHC", "MCHC"),
    ("787-2", _LAB, "fL", "MCV", "MCV"),
    ("21000-5", _LAB, "fL", "RDW", "RDW"),
    ("32207-3", _LAB, "fL", "PDW", "PDW"),
    ("32623-1", _LAB, "fL", "MPV", "MPV"),
    ("1742-6", _LAB, "U/L", "ALAT", "ALT"),
    ("1920-8", _LAB, "U/L", "ASAT", "AST"),
    ("6768-6", _LAB, "U/L", "ALP", "Alkaline phosphatase"),
    ("1751-7", _LAB, "g/L", "Albumin", "Albumin"),
    ("1975-2", _LAB, "umol/L", "Bilirubin", "Bilirubin"),
    ("3094-0", _LAB, "mmol/L", "Urea", "Urea"),
    ("14957-5", _LAB, "mg/L", "Albumin i urin", "Urine albumin"),
    ("9318-7", _LAB, "mg/g", "Albumin/kreatinin i urin", "Urine albumin/creatinine"),
    ("33914-3", _LAB, "mL/min/{1.73_m2}", "eGFR", "eGFR"),
    ("98979-8", _LAB, "mL/min/{1.73_m2}", "eGFR", "eGFR"),
    ("72514-3", _SYMPTOM, "{score}", "Smärta 0–10", "Pain 0–10"),
    ("55423-8", _ACTIVITY, "{steps}", "Steg", "Steps"),
    ("41950-7", _ACTIVITY, "/d", "Steg per dygn", "Steps in 24 h"),
    ("41981-2", _ACTIVITY, "kcal", "Förbrukad energi", "Energy burned"),
    ("55411-3", _ACTIVITY, "min", "Motionstid", "Exercise duration"),
    ("93832-4", _SLEEP, "h", "Sömn", "Sleep duration"),
    ("44261-6", _MIND, "{score}", "PHQ-9", "PHQ-9"),
    ("44249-1", _MIND, "", "PHQ-9", "PHQ-9"),
    ("55758-7", _MIND, "{score}", "PHQ-2", "PHQ-2"),
    ("70274-6", _MIND, "{score}", "GAD-7", "GAD-7"),
    ("69737-5", _MIND, "", "GAD-7", "GAD-7"),
    ("70273-8", _MIND, "{score}", "GAD-2", "GAD-2"),
    ("72166-2", _OTHER, "", "Rökvanor", "Tobacco smoking status"),
    ("85353-1", _OTHER, "", "Vitalparametrar", "Vital signs panel"),
    ("9269-2", _OTHER, "{score}", "Glasgow Coma Scale", "Glasgow Coma Scale"),
)

# 18.0182 mg/dL of glucose is 1 mmol/L (domain.md's reckoning); the others are the substances' molar masses.
_GLUCOSE_MASS, _CHOLESTEROL_MASS = Decimal("180.182"), Decimal("386.65")
_MOLAR_MASSES: dict[str, Decimal] = {
    **dict.fromkeys(("15074-8", "14743-9", "14749-6", "105272-9"), _GLUCOSE_MASS),
    **dict.fromkeys(("2339-0", "2345-7", "41653-7"), _GLUCOSE_MASS),
    **dict.fromkeys(("2085-9", "2093-3", "13457-7", "18262-6"), _CHOLESTEROL_MASS),
    "2571-8": Decimal("885.4"),
    "2160-0": Decimal("113.12"),
    "17861-6": Decimal("40.078"),
    "1975-2": Decimal("584.66"),
    "3094-0": Decimal("28.0134"),  # urea nitrogen: two atoms of nitrogen in each urea
    "53060-9": Decimal("104.105"),
}

#: Every measure by its LOINC code.
MEASURES: dict[str, Measure] = {row[0]: Measure(*row, _MOLAR_MASSES.get(row[0])) for row in _ROWS}


def measure_of(code: Code) -> Measure | None:
    """Return the measure of a LOINC code that the table knows."""
    return MEASURES.get(code.code) if code.system == LOINC else None


@lru_cache(maxsize=1024)
def _target(code: Code) -> tuple[str, Decimal | None] | None:
    measure = measure_of(code)
    return None if measure is None or not measure.unit else (measure.unit, measure.molar_mass)


def canonical(code: Code, quantity: Quantity) -> Quantity | None:
    """Return a quantity in the code's canonical unit; ``None`` where code or unit is not known."""
    target = _target(code)
    return None if target is None else convert(quantity, target[0], molar_mass=target[1])


def category_of(code: Code, fhir_categories: Iterable[tuple[str, str]] = ()) -> Category:
    """Return a measurement's drawer from its code and its (system, code) FHIR categories."""
    measure = measure_of(code)
    if measure is not None:
        return measure.category
    given = tuple(fhir_categories)
    for system, name in given:
        if system == OWN_CATEGORY and name in set(MEASUREMENTS):
            return Category(name)
    if (OBSERVATION_CATEGORY, "laboratory") in given:
        return Category.LAB_RESULT
    return Category.OTHER_MEASUREMENT


#: The FHIR observation-category of each drawer of measurements.
FHIR_CATEGORY: dict[Category, str] = {
    **dict.fromkeys((_BP, _HR, _WEIGHT, _BODY, _TEMPERATURE, _OXYGEN, _BREATH), "vital-signs"),
    **dict.fromkeys((_GLUCOSE, _LAB), "laboratory"),
    **dict.fromkeys((_ACTIVITY, _SLEEP), "activity"),
    **dict.fromkeys((_SYMPTOM, _MIND), "survey"),
    _OTHER: "exam",
}

_BY_TYPE: dict[Category, str] = {
    Category.AGREEMENT: "Consent Contract",
    Category.CARE_PLAN: "CarePlan",
    Category.GOAL: "Goal",
    Category.TREATMENT: "Procedure ServiceRequest DeviceRequest NutritionOrder VisionPrescription",
    Category.MEDICATION: "Medication MedicationRequest MedicationStatement MedicationAdministration "
    "MedicationDispense",
    Category.APPOINTMENT: "Appointment AppointmentResponse Schedule Slot",
    Category.JOURNAL_NOTE: "Encounter EpisodeOfCare ClinicalImpression Communication Composition "
    "DiagnosticReport ImagingStudy",
    Category.LAB_RESULT: "Specimen",
    Category.IMMUNIZATION: "Immunization ImmunizationRecommendation ImmunizationEvaluation",
    Category.ALLERGY: "AllergyIntolerance AdverseEvent",
    Category.CONTACT: "Practitioner PractitionerRole Organization CareTeam HealthcareService",
    Category.HEALTH_STATUS: "Condition FamilyMemberHistory RiskAssessment DetectedIssue Flag",
    Category.LOCATION: "Patient Person RelatedPerson Location Device DeviceUseStatement",
}
_CATEGORY_OF_TYPE = {name: category for category, names in _BY_TYPE.items() for name in names.split()}
_LAB_REPORT = frozenset({"LAB", "laboratory", "26436-6", "11502-2"})


def category_of_resource(resource: dict[str, Any]) -> Category:
    """Return the drawer of a resource that is no Observation; what has none of its own is a document.

    A DiagnosticReport is a lab result if its category or code says laboratory, else a note.
    """
    kind = resource.get("resourceType")
    if kind == "DiagnosticReport" and not _LAB_REPORT.isdisjoint(_codes(resource.get("category"))):
        return Category.LAB_RESULT
    if kind == "DiagnosticReport" and not _LAB_REPORT.isdisjoint(_codes(resource.get("code"))):
        return Category.LAB_RESULT
    return _CATEGORY_OF_TYPE.get(str(kind), Category.DOCUMENT)


def _codes(concepts: Any) -> set[str]:
    found: set[str] = set()
    for concept in concepts if isinstance(concepts, list) else [concepts]:
        codings = concept.get("coding") if isinstance(concept, dict) else None
        for coding in codings if isinstance(codings, list) else []:
            if isinstance(coding, dict) and isinstance(coding.get("code"), str):
                found.add(coding["code"])
    return found
