"""Image restoration: what a picture was before noise, or a smaller size, came over it."""
