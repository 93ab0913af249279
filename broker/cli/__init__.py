"""The command line: flags and variables become settings, errors become exit codes."""
