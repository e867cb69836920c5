"""How good a painted image is: metrics of one image, and their means over many.

Images here are uint8 RGB (H, W, 3); masks are uint8 (H, W, 1), 1 = known, 0 = hole.
"""
