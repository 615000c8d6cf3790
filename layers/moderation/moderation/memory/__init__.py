"""The ports in memory and in folders: for tests, and for `greenlight scan`, which needs no AWS."""
