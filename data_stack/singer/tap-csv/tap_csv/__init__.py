"""Singer tap for CSV files that loads or quarantines every row."""
