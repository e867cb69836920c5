"""Training: the pure step, its mapping over devices, and the loop that joins all rooms."""
