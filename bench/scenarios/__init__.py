"""One module per scenario: what is measured, how, and what it must reach."""
