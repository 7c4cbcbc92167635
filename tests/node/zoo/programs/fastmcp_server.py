"""FastMCP, of any generation: `python fastmcp_server.py PORT http|sse|stateless`."""

import sys

from fastmcp import FastMCP

mcp = FastMCP("zoo")


@mcp.tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@mcp.tool
def fail() -> str:
    """Fails."""
    raise ValueError("as asked")


@mcp.resource("zoo://note")
def note() -> str:
    return "a note"


@mcp.prompt
def hello(who: str) -> str:
    return f"Hello, {who}."


mode = sys.argv[2]
more = {"stateless_http": True} if mode == "stateless" else {}
mcp.run("sse" if mode == "sse" else "http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False, **more)
