"""Pure functions on arrays, the nouns and verbs of the course; no Flax and no state."""
