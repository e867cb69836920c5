"""From image and mask files to batches: sources, masks, crops, the grain pipeline."""
