"""Kernel and firmware from source, in a sandbox that holds nothing but a pinned toolchain."""
