"""One script a question: what it asks, the command, and what came out, in its docstring."""
