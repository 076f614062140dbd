"""The overview, and one project: its data sets and its scans."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response

from assay.serve import datasets, projects, queue, reviews, scans
from assay.serve.access import Who
from assay.serve.api.doors import FormDoor, Look, ServiceHere
from assay.serve.pages.frame import PageRoute, render, see
from assay.serve.shapes import Id, NewProject

router = APIRouter(route_class=PageRoute, include_in_schema=False)
JOBS = 8  # of the latest, on the overview
ON_A_PAGE = 50


@router.get("/")
def overview(service: ServiceHere, who: Look, after: Id | None = None) -> Response:
    with service.database.read() as db:
        held = projects.listing(db, who, after, ON_A_PAGE)
        recent = {p.id: scans.listing(db, who, p.id, limit=1).items for p in held.items}
        jobs = queue.listing(db, who, None, None, None, JOBS)
    return render("overview.html.j2", who, projects=held, recent=recent, jobs=jobs.items)


@router.post("/projects")
def make_project(
    service: ServiceHere,
    who: Annotated[Who, Depends(FormDoor("reviewer", "write"))],
    name: Annotated[str, Form(max_length=100)],
    about: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    with service.database.write() as db:
        made = projects.create(db, who, NewProject(name=name, about=about))
    return see(f"/projects/{made.id}")


@router.get("/projects/{project}")
def project_page(service: ServiceHere, who: Look, project: Id) -> Response:
    with service.database.read() as db:
        held = projects.get(db, who, project)
        data = datasets.listing(db, who, project, None, ON_A_PAGE)
        done = scans.listing(db, who, project, limit=ON_A_PAGE)
        looked = reviews.listing(db, who, project)
    names = {d.id: f"{d.name} {d.version}" for d in data.items}
    return render("project.html.j2", who, project=held, datasets=data.items, scans=done.items, names=names, reviews=looked.items)
