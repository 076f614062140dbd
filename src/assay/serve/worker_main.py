"""`python -m assay.serve.worker_main NUMBER`, its settings on standard input: what the supervisor starts."""

from __future__ import annotations

import sys

from assay.serve.logs import structured
from assay.serve.supervisor import from_json
from assay.serve.worker import main

if __name__ == "__main__":
    structured()
    main(from_json(sys.stdin.read()), int(sys.argv[1]))
