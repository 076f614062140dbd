"""Traces in residuals of real pictures: poison that shares no pixels, and clean controls, with the victim beside on request.

    python benchmarks/residuals.py cifar10 wanet --rate .05 --seeds 0,1,2 [--rows 10000] [--victim]
    python benchmarks/residuals.py gtsrb clean --seeds 0,1 [--variant watermarked]

Rows, target and attack are drawn by the seed, as in `assay bench`. The family is told nothing; its e-values are held to a seventh of
alpha = 0.01, its share where seven families enumerate. One JSON line a seed: every group with a status or a log e-value above -1, with the
share of the poison that it accuses and of the clean rows. --variant: a clean set changed as `benchmarks/clean.py` changes it.
"""

from __future__ import annotations

from assay.trial.residuals import ResidualFamily
from one_family import arguments, told_groups


def main() -> None:
    told_groups(ResidualFamily(), arguments(10_000, str(__doc__)).parse_args())


if __name__ == "__main__":
    main()
