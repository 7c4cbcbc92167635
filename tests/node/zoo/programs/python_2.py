"""The Python SDK of the second generation: `python python_2.py PORT sessions|stateless`."""

import sys

from mcp.server.mcpserver import MCPServer

mcp = MCPServer("zoo")


@mcp.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@mcp.resource("zoo://note")
def note() -> str:
    return "a note"


@mcp.prompt()
def hello(who: str) -> str:
    return f"Hello, {who}."


stateless = {"stateless_http": True, "json_response": True} if sys.argv[2] == "stateless" else {}
mcp.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]), **stateless)
