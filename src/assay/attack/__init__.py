"""Plants artefacts and corrupts labels, and writes the truth beside it: red team, drills, canaries."""
