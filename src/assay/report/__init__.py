"""Findings made readable: terminal, JSON, Parquet, HTML, SARIF; and acting on them: clean, restore, explain."""
