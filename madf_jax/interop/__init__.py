"""Between the PyTorch reference and this package: converting weights, comparing numbers."""
