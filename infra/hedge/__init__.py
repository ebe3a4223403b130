"""The hedge: a perpetual position against what our shares gain and lose with the coin. Off unless it is asked for."""
