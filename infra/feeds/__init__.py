"""What do the wires say? Pure parsers, one file a feed, and the decoder that turns their messages into events."""
