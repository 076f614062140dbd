"""Plants artefacts and corrupts labels, and writes the truth beside it: red team, drills, canaries."""

from assay.attack.base import Planted
from assay.attack.planting import plant

__all__ = ["Planted", "plant"]
