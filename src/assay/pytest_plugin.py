"""pytest plugin: `assert_clean`."""
