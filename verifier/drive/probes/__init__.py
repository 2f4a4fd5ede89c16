"""The probes of the private path. Each sees; ``verifier.appraisal.drive`` judges what was seen."""
