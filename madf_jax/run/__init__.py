"""What a run is: the objects that its config describes, its state and its checkpoints."""
