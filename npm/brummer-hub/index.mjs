import api from "./index.js";

export const { Hub, HubError, HubTransport, InstanceServer, Registration, Session, register, serveInstance, version } =
  api;
