"""A PostgreSQL of the tests' own, as the tests of the journal have it."""

from tests.contract.conftest import postgres, server

__all__ = ["postgres", "server"]
