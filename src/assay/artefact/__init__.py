"""The noun: what poisoned rows share. One file a kind; `registry` lists them."""
