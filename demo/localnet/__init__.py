"""A network of validators on one machine, to try things out and to test: scripts/localnet."""
