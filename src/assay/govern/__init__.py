"""Governance: what an organisation can show of its data and models, what its policy asks, and whether its people would notice."""
