"""A page in the browser on which people paint over what shall go, and get the image filled."""
