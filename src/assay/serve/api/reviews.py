"""Reviews."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from assay.serve import reviews
from assay.serve.api.doors import Decide, Look, ServiceHere, Write
from assay.serve.api.paging import After, Limit
from assay.serve.api.router import noun
from assay.serve.shapes import Escalation, Id, NewDecision, NewReview, Page, Review, ReviewQueue, ReviewStatus

router = noun("reviews")


@router.post("/projects/{project}/reviews", status_code=202)
def make_review(service: ServiceHere, who: Write, project: Id, new: NewReview) -> Review:
    """Put what a scan is unsure of before people. A worker makes it."""
    with service.database.write() as db:
        return reviews.ask(db, who, project, new)


@router.get("/projects/{project}/reviews")
def list_reviews(service: ServiceHere, who: Look, project: Id, after: After = None, limit: Limit = 100) -> Page[Review]:
    with service.database.read() as db:
        return reviews.listing(db, who, project, after, limit)


@router.get("/reviews/{review}")
def get_review(service: ServiceHere, who: Look, review: Id) -> Review:
    with service.database.read() as db:
        return reviews.get(db, who, review)


@router.get("/reviews/{review}/queue")
def my_tasks(service: ServiceHere, who: Decide, review: Id, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> ReviewQueue:
    """What the caller has yet to decide on."""
    with service.database.read() as db:
        return reviews.tasks(db, who, service.files, review, limit)


@router.post("/reviews/{review}/decisions", status_code=201)
def decide(service: ServiceHere, who: Decide, review: Id, decision: NewDecision) -> ReviewQueue:
    """Decide on one row; on disk when this answers. What is left comes back."""
    with service.database.write() as db:
        return reviews.decide(db, who, service.files, review, decision)


@router.get("/reviews/{review}/decisions/mine")
def my_decisions(service: ServiceHere, who: Decide, review: Id) -> list[NewDecision]:
    with service.database.read() as db:
        return reviews.mine(db, who, service.files, review)


@router.get("/reviews/{review}/status")
def review_status(service: ServiceHere, who: Look, review: Id) -> ReviewStatus:
    """How far it is. What was said of a row is told once it is settled."""
    with service.database.read() as db:
        return reviews.status(db, who, service.files, review)


@router.post("/reviews/{review}/escalate")
def escalate(service: ServiceHere, who: Write, review: Id, to: Escalation) -> ReviewStatus:
    """Give what reviewers disagree on to one more."""
    with service.database.write() as db:
        return reviews.escalate(db, who, service.files, review, to.reviewer)
