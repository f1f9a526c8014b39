"""Proofs that stand alone: what a node builds (`build`), what anybody checks (`verify`), and their format."""
