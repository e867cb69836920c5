"""Filling holes: the network, the classical methods, images of any size."""
