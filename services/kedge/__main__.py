"""`python -m kedge`: the command line without its console script."""

from kedge.cli import main

main()
