"""Networks that are never trained here and whose features losses and metrics read."""
