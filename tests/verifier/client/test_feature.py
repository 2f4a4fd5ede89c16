"""The switch itself; that off means zero bytes is in test_client.py."""

from __future__ import annotations

import pytest

from verifier.client.feature import Feature, FeatureOffError
from verifier.errors import PolicyError


def test_a_feature_is_off_until_its_user_switches_it_on() -> None:
    feature = Feature("summaries")
    with pytest.raises(FeatureOffError) as caught:
        feature.require_on()
    error = caught.value
    assert isinstance(error, PolicyError)
    assert (error.what, error.expected, error.got) == (
        "feature summaries",
        "its user to have switched it on",
        "it is off",
    )
    feature.switch_on()
    feature.require_on()
    assert feature.is_on
    feature.switch_off()
    with pytest.raises(FeatureOffError):
        feature.require_on()


def test_nothing_but_the_method_switches_it_on() -> None:
    feature = Feature("summaries")
    with pytest.raises(AttributeError):
        feature.is_on = True  # type: ignore[misc] # which is what is tested
    assert not feature.is_on
