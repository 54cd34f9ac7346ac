"""A run from its directory to its result, whatever is learned in it."""
