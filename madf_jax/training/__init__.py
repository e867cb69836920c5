"""Training: the pure step, its mapping over devices, and the loop that joins all rooms.

Importing this package loads neither TensorFlow nor a data pipeline; `loop` does, and only the
script imports that.
"""
