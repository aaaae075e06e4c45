"""python -m samplevis: the samplevis command."""

import sys

from samplevis.cli import main

sys.exit(main())
