"""How the tables came to be: Alembic revisions, applied by `assay.serve.database.Database.upgrade`."""
