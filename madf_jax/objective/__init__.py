"""What training minimises: loss terms, VGG-16 features, and their weighted sum."""
