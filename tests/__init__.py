"""Tests. They mirror the code: tests/verifier/tlog/test_note.py tests verifier/tlog/note.py."""
