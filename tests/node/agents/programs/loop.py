"""The loop of an agent for libraries that have none: asks the model, calls what it says, until it says something else."""

import asyncio
import json
import sys
import urllib.request


def arguments():
    """The model's address and the hub's command."""
    return sys.argv[1], sys.argv[2]


def _ask(url, messages, tools):
    body = json.dumps({"model": "scripted", "messages": messages, "tools": tools}).encode()
    request = urllib.request.Request(f"{url}/v1/chat/completions", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["choices"][0]["message"]


async def converse(url, list_tools, call_tool):
    """`list_tools()` gives names, `call_tool(name, arguments)` the text that a model would be shown."""
    messages = [{"role": "user", "content": "Do what the model says."}]
    while True:
        tools = [{"type": "function", "function": {"name": name}} for name in await list_tools()]
        said = await asyncio.to_thread(_ask, url, messages, tools)
        messages.append(said)
        calls = said.get("tool_calls")
        if not calls:
            return
        for call in calls:
            function = call["function"]
            try:
                text = await call_tool(function["name"], json.loads(function["arguments"]))
            except Exception as error:  # What the library raises is what its user can show.
                text = f"{type(error).__name__}: {error}"
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": text})
