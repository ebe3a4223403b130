"""The chat's side of the world: a record to ask, a model if there is one, and a memory for each thread."""
