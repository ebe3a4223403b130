"""Who has an opinion? One file an agent."""
