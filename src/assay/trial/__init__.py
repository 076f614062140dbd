"""Puts a proposed artefact on trial by experiment, and gives evidence with an error guarantee."""
