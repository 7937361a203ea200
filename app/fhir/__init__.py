"""FHIR R4 for machines: what goes in and out under ``/fhir``."""
