"""How good a painted image is, and the classical methods that every number stands beside.

Images here are uint8 RGB (H, W, 3); masks are uint8 (H, W, 1), 1 = known, 0 = hole.
"""
