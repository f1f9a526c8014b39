"""`python -m node.commands`."""

from node.commands import main

main()
