"""How good a painted picture is, and the classical methods that every number stands beside.

Pictures here are uint8 RGB (H, W, 3); masks are uint8 (H, W, 1), 1 = known, 0 = hole.
"""
