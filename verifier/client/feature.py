"""The switch that a user's feature hangs on: off until the user has switched it on.

Off means that nothing is opened and nothing sent, not even for keys or tokens, which would tell
somebody that this user is about to use it.
"""

from __future__ import annotations

from verifier.errors import PolicyError

__all__ = ["Feature", "FeatureOffError"]


class FeatureOffError(PolicyError):
    """The user has not switched the feature on, or has switched it off again."""


class Feature:
    """A feature of the given ``name``, such as ``summaries``, for one user."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._is_on = False

    @property
    def is_on(self) -> bool:
        """Whether its user has switched it on."""
        return self._is_on

    def switch_on(self) -> None:
        """Say that its user wants it; for the one place where the user says so."""
        self._is_on = True

    def switch_off(self) -> None:
        """From now on nothing more is sent, also where a session is open."""
        self._is_on = False

    def require_on(self) -> None:
        """Raise FeatureOffError while it is off."""
        if not self._is_on:
            expected = "its user to have switched it on"
            raise FeatureOffError(f"feature {self.name}", expected=expected, got="it is off")
