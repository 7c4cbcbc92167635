// A program with a hub in it: lists what runs, and calls a tool with the official client.
//
//   npm install brummer-hub @modelcontextprotocol/sdk && node embed.mjs shop orders '{}'
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { Hub, HubTransport } from "brummer-hub";

const [instance, tool, args = "{}"] = process.argv.slice(2);
const hub = await Hub.start();
for (const { alias, name, port, state } of hub.instances()) console.log(`${alias}: ${name} on port ${port}, ${state}`);

if (tool) {
  const client = new Client({ name: "embed", version: "1.0.0" });
  await client.connect(new HubTransport(hub));
  await client.callTool({ name: "instances_connect", arguments: { instance_id: instance } });
  const { content } = await client.callTool({ name: tool, arguments: JSON.parse(args) });
  for (const block of content) console.log(block.text ?? block.type);
  await client.close();
}
await hub.close();
