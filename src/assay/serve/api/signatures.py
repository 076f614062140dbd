"""Known triggers and poisoned releases."""

from __future__ import annotations

from assay.serve import signatures
from assay.serve.api.doors import Keep, Look, ServiceHere
from assay.serve.api.router import noun
from assay.serve.shapes import NewSignatures, SignatureList

router = noun("signatures")


@router.get("/signatures")
def list_signatures(service: ServiceHere, who: Look) -> SignatureList:
    """What scans that ask for it look for."""
    return signatures.get(service.files)


@router.put("/signatures")
def bring_signatures(service: ServiceHere, who: Keep, new: NewSignatures) -> SignatureList:
    """Bring in a newer signed list; an older one, or one signed by somebody else, is refused."""
    with service.database.write() as db:
        return signatures.bring(db, who, service.files, new)
