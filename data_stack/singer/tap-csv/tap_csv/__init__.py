"""Singer tap for CSV files. Rows that cannot be loaded are quarantined, each with the reason."""
