"""Parameters of commands that do not come from the command line."""

from typing import Annotated

from cyclopts import Parameter

from store import Catalog

OpenCatalog = Annotated[Catalog, Parameter(parse=False)]  # given to the command, checked
