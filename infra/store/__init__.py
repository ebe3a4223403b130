"""The time series of journals, kept for questions: Parquet files by default, PostgreSQL or TimescaleDB beside them."""
