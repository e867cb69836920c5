"""Images and masks of any kind, in memory and in files, with the way back to the same kind."""
