"""`python -m assay`: the commands, where no `assay` stands on the path."""

from assay.cli import main

if __name__ == "__main__":
    main()
