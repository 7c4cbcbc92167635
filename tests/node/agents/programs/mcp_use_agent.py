"""mcp-use."""

import asyncio

from langchain_openai import ChatOpenAI
from loop import arguments
from mcp_use import MCPAgent, MCPClient


async def main():
    url, hub = arguments()
    client = MCPClient.from_dict({"mcpServers": {"brummer-hub": {"command": hub, "args": ["--mcp"]}}})
    model = ChatOpenAI(model="scripted", base_url=f"{url}/v1", api_key="none")
    agent = MCPAgent(llm=model, client=client, max_steps=50)
    await agent.run("Do what the model says.")
    await client.close_all_sessions()


asyncio.run(main())
