"""Convolution as a layer, and the form in which each platform computes it fast."""
