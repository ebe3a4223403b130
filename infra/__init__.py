"""How do we touch the world? All I/O, and the place where the parts are put together."""
