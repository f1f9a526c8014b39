"""The pure core of Suyuan: records, rules, log, state map and proofs.

Nothing in this package opens a socket, reads a clock, starts a thread or draws a random number;
`ledger.storage` is the one room that touches files. Time, hashes and bytes come in as arguments, so
every node computes the same bytes from the same input.
"""
