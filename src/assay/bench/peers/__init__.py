"""Published defences, implemented from their papers, to stand beside ours on the same rows."""
