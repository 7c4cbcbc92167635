// An Express server: `node express.mjs PORT MODE`, the mode as in transports.mjs.
import express from "express";
import { writeFileSync } from "node:fs";
import { mode, port } from "./contents.mjs";
import { handler } from "./transports.mjs";

const app = express();
app.use(express.json());
const handle = await handler(mode);
app.all("/mcp", (request, response) => handle(request, response, request.body));
app.listen(port, "127.0.0.1");
// A process manager may start this: nobody else knows which process it is.
writeFileSync(process.env.PID_FILE, `${process.pid}`);
