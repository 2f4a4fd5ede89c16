"""The appraisal of a rebuild: what came out, against what is logged."""
