"""`python -m tasks.similarity` compiles the search, once a machine: `make setup` does it, so that no run has to."""

from tasks.similarity import warm

warm()
