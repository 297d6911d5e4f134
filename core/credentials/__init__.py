"""How the database is told who this server is."""
