import api from "./index.js";

export const {
  Hub,
  HubError,
  HubTransport,
  InstanceServer,
  LogListener,
  Registration,
  Session,
  StdioInstance,
  onLog,
  register,
  serveInstance,
  serveStdio,
  version,
} = api;
