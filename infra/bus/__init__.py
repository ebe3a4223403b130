"""The bus: a journal's entries for other processes, in order, each taken once, and the desk never waits for it."""
