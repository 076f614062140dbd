"""The crowd: several annotators per label, hostile ones among them, and the rows that need a person's look."""
