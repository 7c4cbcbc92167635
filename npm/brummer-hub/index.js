"use strict";
const { HubError } = require("./lib/errors.js");
const { Hub } = require("./lib/hub.js");
const { InstanceServer, serveInstance } = require("./lib/instance.js");
const { LogListener, onLog } = require("./lib/log.js");
const { Registration, register } = require("./lib/registration.js");
const { Session } = require("./lib/session.js");
const { StdioInstance, serveStdio } = require("./lib/stdio.js");
const { HubTransport } = require("./lib/transport.js");
const { version } = require("./package.json");

module.exports = {
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
};
