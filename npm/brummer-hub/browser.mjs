import api from "./browser.js";

export const { WebpackConsole, middleware, script, viteConsole } = api;
