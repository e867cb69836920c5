"""Painting held-out pictures, scoring them beside classical methods, and reporting it."""
