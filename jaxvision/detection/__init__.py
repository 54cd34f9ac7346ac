"""Object detection: what is in an image, and where."""
