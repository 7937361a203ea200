"""How an application is served, the installation's and a witness's alike."""

import uvicorn
from litestar import Litestar


def serve_forever(app: Litestar, *, host: str, port: int) -> None:
    """Serve an application until this process is told to end."""
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,  # URLs are not logged
        server_header=False,
        loop="uvloop",
        http="httptools",
        log_level="warning",
    )
