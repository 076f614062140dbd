"""The arithmetic of evidence: e-values, false discovery rates, exact tails, intervals. Knows no data."""
