"""What Apple Health calls things, as codes, drawers and units.

A type with a LOINC code gets it; any other keeps Apple's own identifier in the system
``https://developer.apple.com/documentation/healthkit`` and goes to the drawer of the table below, else to
other-measurement. Steps, distance and energy come as short intervals, so their codes are those "in
unspecified time", not "in 24 h". Reproductive and sexual health goes to ``health-status``: nobody should get
it with a grant for symptoms or other measurements. Insulin and inhaler use go to ``medication``.

Source: HealthKit's HKTypeIdentifiers.h (types and their units); domain.md and loinc.org (codes).
"""

import re
from dataclasses import dataclass

from policies.vocabulary import Category
from vault.measures import HEALTHKIT, LOINC, MEASURES
from vault.record import Code

QUANTITY = "HKQuantityTypeIdentifier"
CATEGORY = "HKCategoryTypeIdentifier"
VALUE = "HKCategoryValue"
SYSTOLIC_TYPE = f"{QUANTITY}BloodPressureSystolic"
DIASTOLIC_TYPE = f"{QUANTITY}BloodPressureDiastolic"
BLOOD_PRESSURE = "HKCorrelationTypeIdentifierBloodPressure"
WORKOUT = Code(HEALTHKIT, "HKWorkoutTypeIdentifier", "Workout")

_LOINC_OF: dict[str, str] = {
    "BloodPressureSystolic": "8480-6", "BloodPressureDiastolic": "8462-4", "HeartRate": "8867-4",
    "RestingHeartRate": "40443-4", "HeartRateVariabilitySDNN": "80404-7", "RespiratoryRate": "9279-1",
    "BodyTemperature": "8310-5", "OxygenSaturation": "59408-5", "BodyMass": "29463-7", "Height": "8302-2",
    "BodyMassIndex": "39156-5", "WaistCircumference": "8280-0", "BodyFatPercentage": "41982-0",
    "BloodGlucose": "15074-8", "PeakExpiratoryFlowRate": "19935-6", "ForcedExpiratoryVolume1": "20150-9",
    "ForcedVitalCapacity": "19868-9", "StepCount": "55423-8", "ActiveEnergyBurned": "41981-2",
    "AppleExerciseTime": "55411-3",
}  # fmt: skip

_DRAWERS: dict[Category, str] = {
    Category.HEART_RATE: """
        WalkingHeartRateAverage HeartRateRecoveryOneMinute AtrialFibrillationBurden PeripheralPerfusionIndex
        HighHeartRateEvent LowHeartRateEvent IrregularHeartRhythmEvent
    """,
    Category.BODY_TEMPERATURE: """
        BasalBodyTemperature AppleSleepingWristTemperature
    """,
    Category.BODY_MEASURES: """
        LeanBodyMass
    """,
    Category.RESPIRATION: """
        AppleSleepingBreathingDisturbances SleepApneaEvent
    """,
    Category.SLEEP: """
        SleepAnalysis
    """,
    Category.MENTAL_HEALTH: """
        MindfulSession
    """,
    Category.MEDICATION: """
        InsulinDelivery InhalerUsage
    """,
    Category.ACTIVITY: """
        BasalEnergyBurned DistanceWalkingRunning DistanceCycling DistanceSwimming DistanceWheelchair
        DistanceDownhillSnowSports DistanceCrossCountrySkiing DistancePaddleSports DistanceRowing
        DistanceSkatingSports PushCount SwimmingStrokeCount FlightsClimbed NikeFuel AppleStandTime
        AppleStandHour AppleMoveTime VO2Max LowCardioFitnessEvent PhysicalEffort EstimatedWorkoutEffortScore
        WorkoutEffortScore WalkingSpeed WalkingStepLength WalkingAsymmetryPercentage
        WalkingDoubleSupportPercentage AppleWalkingSteadiness AppleWalkingSteadinessEvent
        SixMinuteWalkTestDistance StairAscentSpeed StairDescentSpeed RunningSpeed RunningPower
        RunningStrideLength RunningVerticalOscillation RunningGroundContactTime CyclingSpeed CyclingPower
        CyclingCadence CyclingFunctionalThresholdPower RowingSpeed PaddleSportsSpeed CrossCountrySkiingSpeed
        TimeInDaylight NumberOfTimesFallen UnderwaterDepth
    """,
    Category.SYMPTOM: """
        AbdominalCramps Acne AppetiteChanges BladderIncontinence Bloating BreastPain ChestTightnessOrPain
        Chills Constipation Coughing Diarrhea Dizziness DrySkin Fainting Fatigue Fever GeneralizedBodyAche
        HairLoss Headache Heartburn HotFlashes LossOfSmell LossOfTaste LowerBackPain MemoryLapse MoodChanges
        Nausea NightSweats PelvicPain RapidPoundingOrFlutteringHeartbeat RunnyNose ShortnessOfBreath
        SinusCongestion SkippedHeartbeat SleepChanges SoreThroat VaginalDryness Vomiting Wheezing
    """,
    Category.HEALTH_STATUS: """
        MenstrualFlow IntermenstrualBleeding OvulationTestResult CervicalMucusQuality SexualActivity
        Contraceptive Lactation Pregnancy PregnancyTestResult ProgesteroneTestResult InfrequentMenstrualCycles
        IrregularMenstrualCycles PersistentIntermenstrualBleeding ProlongedMenstrualPeriods
        BleedingAfterPregnancy BleedingDuringPregnancy
    """,
}
_DRAWER_OF = {name: category for category, names in _DRAWERS.items() for name in names.split()}

#: Metadata that changes what a value means, kept as components with Apple's own key; the rest is not kept.
METADATA = frozenset(
    (
        "HKWasUserEntered", "HKBloodGlucoseMealTime", "HKBodyTemperatureSensorLocation",
        "HKInsulinDeliveryReason", "HKMenstrualCycleStart", "HKSexualActivityProtectionUsed",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AppleType:
    """A type of Apple's: its code and drawer, and whether its value is a number."""

    code: Code
    category: Category
    numeric: bool


def apple_type(identifier: str) -> AppleType:
    """Return what an Apple type identifier stands for, known or not."""
    numeric = identifier.startswith(QUANTITY)
    name = identifier.removeprefix(QUANTITY).removeprefix(CATEGORY)
    loinc = _LOINC_OF.get(name) if numeric else None
    if loinc is not None:
        measure = MEASURES[loinc]
        return AppleType(Code(LOINC, loinc, measure.en), measure.category, numeric)
    return AppleType(Code(HEALTHKIT, identifier, _words(name)), _drawer(name), numeric)


def _drawer(name: str) -> Category:
    return _DRAWER_OF.get(name, Category.OTHER_MEASUREMENT)


def _words(name: str) -> str:
    """Write ``SleepAnalysis`` as ``Sleep analysis``."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f" {found[1].lower()}", name)
