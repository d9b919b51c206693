"""How fast it is, on a PostgreSQL and a Valkey of its own: `make bench`."""
