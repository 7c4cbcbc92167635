"""What servers written by hand answer, whatever framework is around it: JSON-RPC in, JSON-RPC or nothing out."""

TOOL = {
    "name": "add",
    "description": "Adds two numbers.",
    "inputSchema": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}},
}


def answer(message):
    method = message.get("method")
    if "id" not in message:
        return None
    reply = {"jsonrpc": "2.0", "id": message["id"]}
    if method == "initialize":
        info = {"name": "zoo", "version": "1.0.0"}
        return {**reply, "result": {"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}, "serverInfo": info}}
    if method == "tools/list":
        return {**reply, "result": {"tools": [TOOL]}}
    if method == "tools/call":
        given = message["params"]["arguments"]
        return {**reply, "result": {"content": [{"type": "text", "text": str(given["a"] + given["b"])}]}}
    return {**reply, "error": {"code": -32601, "message": "Method not found"}}
