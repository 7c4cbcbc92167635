// The tools of the conformance server: `{name: {description, inputSchema, call}}`. `call` takes the arguments and what
// a running call can do (see `call` in conformance-features.mjs), and gives the contents of the result.
import { audio, image, text } from "./conformance-media.mjs";
import { DEFAULTS, DRAFT_2020_12, ENUMERATIONS, NO_ARGUMENTS, strings } from "./conformance-schemas.mjs";

/** The pause that the scenarios ask for between two notifications of a call. */
const STEP_MS = 50;
/** Longer than the retry interval: a client that polls is back before the answer is there. */
const AWAY_MS = 150;

const resource = (uri, mimeType, words) => ({ type: "resource", resource: { uri, mimeType, text: words } });
const answered = ({ action, content }) => `action=${action}, content=${JSON.stringify(content ?? {})}`;

/** A tool that asks the user and tells what was answered. */
const question = (description, requestedSchema) => ({
  description,
  inputSchema: NO_ARGUMENTS,
  call: async (_, { elicit }) => {
    const answer = await elicit({ message: "Please look at these fields", requestedSchema });
    return [text(`Elicitation completed: ${answered(answer)}`)];
  },
});

/** A tool that always gives the same. */
const constant = (description, ...content) => ({ description, inputSchema: NO_ARGUMENTS, call: () => content });

export const tools = {
  test_simple_text: constant("Gives text", text("This is a simple text response for testing.")),
  test_image_content: constant("Gives an image", image),
  test_audio_content: constant("Gives a sound", audio),
  test_embedded_resource: constant(
    "Gives a resource",
    resource("test://embedded-resource", "text/plain", "This is an embedded resource content."),
  ),
  test_multiple_content_types: constant(
    "Gives text, an image and a resource",
    text("Multiple content types test:"),
    image,
    resource("test://mixed-content-resource", "application/json", JSON.stringify({ test: "data", value: 123 })),
  ),
  test_error_handling: {
    description: "Fails",
    inputSchema: NO_ARGUMENTS,
    call: () => {
      throw new Error("This tool intentionally returns an error for testing");
    },
  },
  test_tool_with_logging: {
    description: "Logs while it runs",
    inputSchema: NO_ARGUMENTS,
    call: async (_, { log, pause }) => {
      await log("info", "Tool execution started");
      await pause(STEP_MS);
      await log("info", "Tool processing data");
      await pause(STEP_MS);
      await log("info", "Tool execution completed");
      return [text("Tool with logging executed successfully")];
    },
  },
  test_tool_with_progress: {
    description: "Reports progress while it runs",
    inputSchema: NO_ARGUMENTS,
    call: async (_, { pause, progress }) => {
      await progress(0, 100);
      await pause(STEP_MS);
      await progress(50, 100);
      await pause(STEP_MS);
      await progress(100, 100);
      return [text("Tool with progress executed successfully")];
    },
  },
  test_sampling: {
    description: "Asks the client's model",
    inputSchema: strings({ prompt: "The prompt to send to the model" }),
    call: async ({ prompt }, { sample }) => {
      const answer = await sample({ messages: [{ role: "user", content: text(prompt) }], maxTokens: 100 });
      return [text(`LLM response: ${answer.content.text ?? JSON.stringify(answer.content)}`)];
    },
  },
  test_elicitation: {
    description: "Asks the user",
    inputSchema: strings({ message: "The message to show to the user" }),
    call: async ({ message }, { elicit }) => {
      const requestedSchema = strings({ username: "User's response", email: "User's email address" });
      return [text(`User response: ${answered(await elicit({ message, requestedSchema }))}`)];
    },
  },
  test_elicitation_sep1034_defaults: question("Asks with a default for each primitive type", DEFAULTS),
  test_elicitation_sep1330_enums: question("Asks with each way to write an enumeration", ENUMERATIONS),
  test_reconnection: {
    description: "Closes the stream of the call before the answer, so that the client has to come back for it",
    inputSchema: NO_ARGUMENTS,
    call: async (_, { hangUp, pause }) => {
      hangUp();
      await pause(AWAY_MS);
      return [text("Answered after the stream was closed")];
    },
  },
  json_schema_2020_12_tool: {
    description: "Has an input schema of JSON Schema 2020-12",
    inputSchema: DRAFT_2020_12,
    call: (args) => [text(`JSON Schema 2020-12 tool called with ${JSON.stringify(args)}`)],
  },
};
