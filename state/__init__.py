"""What do we know? Units, records, nouns, events, decisions, parameters, the world."""
