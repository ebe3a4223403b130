"""Was it any good? Backtest, replay, scores and reports, as values."""
