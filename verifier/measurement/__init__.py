"""Predicted launch measurements. Pure."""
