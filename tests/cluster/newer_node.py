"""`python -m tests.cluster.newer_node DATA`: a node whose program knows the next version of the rules too; what that
version changes does not matter here."""

import sys

from ledger import block

block.RULES_KNOWN = (*block.RULES_KNOWN, block.RULES_KNOWN[-1] + 1)  # type: ignore[misc]

from node import commands  # noqa: E402

if __name__ == "__main__":
    sys.argv = ["suyuan-node", "run", sys.argv[1]]
    commands.main()
