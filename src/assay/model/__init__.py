"""Models that arrive: what loading one would run, and its weights without running anything."""
