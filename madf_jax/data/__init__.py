"""From images and masks on disk to batches: sources, masks, transforms, the grain pipeline."""
