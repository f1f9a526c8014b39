"""`python -m client_sdk.commands` is `suyuan`."""

from client_sdk.commands import main

main()
