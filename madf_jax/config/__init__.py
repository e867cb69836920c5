"""A config's sections as typed objects, parsed once at the entry point."""
