"""Weights in files: the PyTorch reference's names and ours, both ways, and the VGG-16 trunk."""
