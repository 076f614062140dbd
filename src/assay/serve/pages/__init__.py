"""The service's pages: rendered here, from the functions that the API calls too."""

from __future__ import annotations

from fastapi import APIRouter

ROUTERS: tuple[APIRouter, ...] = ()
