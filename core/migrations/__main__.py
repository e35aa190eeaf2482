"""`python -m autostack.core.migrations URL`"""

import sys

from autostack.core.migrations import _upgrade

_upgrade(sys.argv[1])
