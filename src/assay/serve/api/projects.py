"""Projects."""

from __future__ import annotations

from assay.serve import projects
from assay.serve.api.doors import Keep, Look, ServiceHere, Write
from assay.serve.api.paging import After, Limit
from assay.serve.api.router import noun
from assay.serve.shapes import Id, NewProject, Page, Project, ProjectChange

router = noun("projects", "/api/v1/projects")


@router.get("")
def list_projects(service: ServiceHere, who: Look, after: After = None, limit: Limit = 100) -> Page[Project]:
    with service.database.read() as db:
        return projects.listing(db, who, after, limit)


@router.post("", status_code=201)
def make_project(service: ServiceHere, who: Write, new: NewProject) -> Project:
    with service.database.write() as db:
        return projects.create(db, who, new)


@router.get("/{project}")
def get_project(service: ServiceHere, who: Look, project: Id) -> Project:
    with service.database.read() as db:
        return projects.get(db, who, project)


@router.patch("/{project}")
def change_project(service: ServiceHere, who: Keep, project: Id, change: ProjectChange) -> Project:
    """Describe it, archive it (nothing is added to it then), or say how long its scans are kept."""
    with service.database.write() as db:
        return projects.change(db, who, project, change)
