"""Features, probe models and cross-fitting: what the content of a row says about its label."""
