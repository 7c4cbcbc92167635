"""LangChain's agent with the tools that its MCP adapters give it, read once within one session."""

import asyncio

from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langchain_openai import ChatOpenAI
from loop import arguments


async def main():
    url, hub = arguments()
    client = MultiServerMCPClient({"brummer-hub": {"transport": "stdio", "command": hub, "args": ["--mcp"]}})
    model = ChatOpenAI(model="scripted", base_url=f"{url}/v1", api_key="none")
    async with client.session("brummer-hub") as session:
        agent = create_agent(model, await load_mcp_tools(session))
        messages = {"messages": [{"role": "user", "content": "Do what the model says."}]}
        await agent.ainvoke(messages, {"recursion_limit": 100})


asyncio.run(main())
