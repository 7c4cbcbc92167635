// Makes the next server listen on a free loopback port and print `{"port":…}`, and keeps everything else off stdout.
// The official servers take a fixed port only, and print where they believe to listen.
import net from "node:net";

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (_port, ...rest) {
  this.once("listening", () => process.stdout.write(`${JSON.stringify({ port: this.address().port })}\n`));
  return listen.call(this, { port: 0, host: "127.0.0.1" }, rest.find((argument) => typeof argument === "function"));
};
console.log = console.error = () => {};
