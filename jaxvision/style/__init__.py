"""Style transfer: an image with the content of one picture and the style of others."""
