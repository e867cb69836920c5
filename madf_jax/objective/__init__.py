"""What training minimizes: loss terms and their weighted sum over the outputs."""
