"""Plots that people look at, as SVG of our own: in report.html, and as files."""
