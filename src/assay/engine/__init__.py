"""Where work runs: this process, its cores, or a Ray cluster. The same work gives the same answer on any of them."""
