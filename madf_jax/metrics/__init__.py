"""How good painted images are: metrics of one image and of a set, means, and how certain they are.

Images here are uint8 RGB (H, W, 3), or batches of them (N, H, W, 3); masks are uint8 with one
channel, 1 = known, 0 = hole.
"""
