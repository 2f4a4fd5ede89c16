"""Authentication, checks, policy, findings and the verdict. Pure."""
