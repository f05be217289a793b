"""`python -m explorer COMMAND`; the same questions as the pages."""

import sys

from explorer.commands.app import main

if __name__ == "__main__":
    sys.exit(main())
