// Two workers of Node's cluster module behind one port, without sessions.
import cluster from "node:cluster";
import { createServer } from "node:http";
import { port } from "./contents.mjs";
import { handler } from "./transports.mjs";

if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
} else {
  createServer(await handler("stateless")).listen(port, "127.0.0.1");
}
