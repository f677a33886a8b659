"""A Singer target for DuckDB that loses no row."""
