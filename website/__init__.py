"""What the documentation site is made of beside its pages, and what writes the generated ones."""
