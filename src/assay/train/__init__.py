"""`assay train`: a plain model with a defence, its record, and what the defence is worth against a poison drill."""
