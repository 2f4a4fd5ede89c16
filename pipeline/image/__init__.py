"""The guest image: recipe, lock of its inputs, deterministic builder. Executes no input."""
