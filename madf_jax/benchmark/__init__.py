"""How fast the parts of this package are, beside the machine and the PyTorch reference."""
