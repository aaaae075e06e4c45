"""python -m samplevis.cli: the samplevis command."""

import sys

from samplevis.cli import main

sys.exit(main())
