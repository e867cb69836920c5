"""Painting held-out images, scoring them beside classical methods, and reporting it."""
