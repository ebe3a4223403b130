"""The shell: the one loop that journals what happens, lets the core decide, and does what it commands."""
