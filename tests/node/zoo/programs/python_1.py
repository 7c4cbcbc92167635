"""The Python SDK of the first generation: `python python_1.py PORT sessions|stateless|sse|mount`."""

import contextlib
import sys

import uvicorn
from mcp.server.fastmcp import FastMCP
from starlette.applications import Starlette
from starlette.routing import Mount

port, mode = int(sys.argv[1]), sys.argv[2]
stateless = {"stateless_http": True, "json_response": True} if mode == "stateless" else {}
mcp = FastMCP("zoo", host="127.0.0.1", port=port, **stateless)


@mcp.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@mcp.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("as asked")


@mcp.resource("zoo://note")
def note() -> str:
    return "a note"


@mcp.prompt()
def hello(who: str) -> str:
    return f"Hello, {who}."


if mode == "mount":
    # Below another application, which answers the path without its slash with a redirect.
    mcp.settings.streamable_http_path = "/"

    @contextlib.asynccontextmanager
    async def lifespan(_app):
        async with mcp.session_manager.run():
            yield

    app = Starlette(routes=[Mount("/mcp", mcp.streamable_http_app())], lifespan=lifespan)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
else:
    mcp.run("sse" if mode == "sse" else "streamable-http")
