"""This server as a function is: nothing asks the database before the first call. ``python -m bench.bare_server PORT``.

`serve` looks at its database as it starts and says what it finds, which would be counted among the turns of a first
call. The functions do not; the parts of it that platforms add are measured by `bench.cold_start`.
"""

from __future__ import annotations

import os
import sys

import uvicorn

from core.application import Application
from core.asgi import AsgiApp
from core.http import Request
from core.identity.principal import Principal
from core.settings import Settings

__all__ = ["anybody"]


async def anybody(request: Request) -> Principal:
    """Admits every caller: proofs of identity are measured by themselves."""
    return Principal(platform="local", kind="local", id="local", name="bench", proved_by="loopback")


def main() -> None:
    """Serve on the port that the command line names, until told to stop."""
    application = Application(Settings.from_environ(os.environ), anybody)
    uvicorn.run(AsgiApp(application), port=int(sys.argv[1]), lifespan="off", log_config=None, access_log=False)


if __name__ == "__main__":
    main()
