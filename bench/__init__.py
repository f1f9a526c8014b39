"""Programs that measure; figures stand in README.md with machine, command and date."""
