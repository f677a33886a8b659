"""A Singer tap for CSV files that loses no row."""
