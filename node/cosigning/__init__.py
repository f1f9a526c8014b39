"""Cosigning: a validator signs the head of every block that it stored, tells the others, and gathers theirs."""
