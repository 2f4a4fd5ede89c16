"""The relay: knows who asks, and sees only sealed bytes, which it passes to one gateway."""
