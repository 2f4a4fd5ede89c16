"""Makes fixtures/: every case, from keys that anyone has, to the same bytes each time.

``python -m tests.fixture_cases`` says what would change, and with ``--write`` changes it.
"""
