"""How is it reckoned? Pure functions over records and numbers."""
