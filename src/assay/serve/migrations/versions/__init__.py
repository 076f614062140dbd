"""One file a revision, the first one first."""
