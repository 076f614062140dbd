"""How every router of ours is made, so that each route says how it tells of errors."""

from __future__ import annotations

from enum import Enum

from fastapi import APIRouter

from assay.serve.shapes import Problem


def noun(tag: str, prefix: str = "/api/v1") -> APIRouter:
    """A router for the routes of one noun."""
    tags: list[str | Enum] = [tag]
    return APIRouter(prefix=prefix, tags=tags, responses={"default": {"model": Problem, "description": "What went wrong, and what to do"}})
