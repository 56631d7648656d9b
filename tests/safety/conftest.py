"""A process that has loaded everything, as the chaos trials have it."""

from tests.chaos.conftest import forks

__all__ = ["forks"]
