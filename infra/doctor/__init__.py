"""The doctor: is everything ready to trade with real money: one check after another, each with how to mend it."""
