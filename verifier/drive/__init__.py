"""Boots a deployment or reaches one, judges its evidence, and then asks it something."""
