"""The arena: attacks x defences x data sets, recorded, resumable, with a random and a perfect filter in every table."""
