"""What training minimizes: loss terms, VGG-16 features, and their weighted sum."""
