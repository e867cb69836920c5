"""Convolution as a layer, and the form in which each platform computes it fast.

Axes in this room: N batch; H, W rows and columns in; I, J out; C, O channels in and out; k the side
of a kernel.
"""
