"""Known triggers and poisoned releases: a signed file of them, and matching. Nothing is fetched unless a person names it."""
