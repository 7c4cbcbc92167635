const { WebpackConsole } = require("brummer-hub/browser");

module.exports = {
  mode: "development",
  entry: "./src/main.js",
  plugins: [new WebpackConsole()],
  devServer: { static: "." },
};
