"""`python -m broker.cli`: the same as `progress-broker`."""

import sys

from broker.cli.main import main

sys.exit(main())
