"""A server on stdio, for what bridges from there, with the Python SDK of whatever generation."""

try:
    from mcp.server.fastmcp import FastMCP as Server
except ImportError:
    from mcp.server.mcpserver import MCPServer as Server

mcp = Server("zoo")


@mcp.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


mcp.run("stdio")
