"""A day in the life: a seeded world of enterprises, the books they keep, and a run of the whole ledger on them."""
