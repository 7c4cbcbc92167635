import api from "./index.js";

export const {
  Hub,
  HubError,
  HubTransport,
  InstanceServer,
  LogListener,
  Registration,
  Session,
  onLog,
  register,
  serveInstance,
  version,
} = api;
