"""What a trusted set leads one to expect of new data, kept in a file that a pipeline can enforce; and how data differ from it."""
