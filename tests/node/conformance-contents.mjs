// The resources, prompts and completions of the conformance server.
import { PNG, image, text } from "./conformance-media.mjs";

const json = (value) => ({ mimeType: "application/json", text: JSON.stringify(value) });

/** `{uri: {name, description, mimeType, content}}`; the content is what a read gives besides the URI. */
export const resources = {
  "test://static-text": {
    name: "static-text",
    description: "A text that never changes",
    mimeType: "text/plain",
    content: { mimeType: "text/plain", text: "This is the content of the static text resource." },
  },
  "test://static-binary": {
    name: "static-binary",
    description: "An image that never changes",
    mimeType: "image/png",
    content: { mimeType: "image/png", blob: PNG },
  },
  "test://watched-resource": {
    name: "watched-resource",
    description: "A text to subscribe to",
    mimeType: "text/plain",
    content: { mimeType: "text/plain", text: "This is the content of the watched resource." },
  },
};

const TEMPLATE = "test://template/{id}/data";

export const templates = [
  {
    uriTemplate: TEMPLATE,
    name: "template",
    description: "Data that is made for each id",
    mimeType: "application/json",
  },
];

/** What a read of this URI gives, or nothing if there is no such resource. */
export function read(uri) {
  if (Object.hasOwn(resources, uri)) return { uri, ...resources[uri].content };
  const id = uri.match(/^test:\/\/template\/([^/]+)\/data$/)?.[1];
  return id && { uri, ...json({ id, templateTest: true, data: `Data for ID: ${id}` }) };
}

const user = (content) => ({ role: "user", content });

/** `{name: {description, arguments, messages}}`; every argument is required. */
export const prompts = {
  test_simple_prompt: {
    description: "A prompt without arguments",
    arguments: {},
    messages: () => [user(text("This is a simple prompt for testing."))],
  },
  test_prompt_with_arguments: {
    description: "A prompt with two arguments",
    arguments: { arg1: "First test argument", arg2: "Second test argument" },
    messages: ({ arg1, arg2 }) => [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
  },
  test_prompt_with_embedded_resource: {
    description: "A prompt that embeds a resource",
    arguments: { resourceUri: "URI of the resource to embed" },
    messages: ({ resourceUri: uri }) => [
      user({
        type: "resource",
        resource: { uri, mimeType: "text/plain", text: "Embedded resource content for testing." },
      }),
      user(text("Please process the embedded resource above.")),
    ],
  },
  test_prompt_with_image: {
    description: "A prompt with an image",
    arguments: {},
    messages: () => [user(image), user(text("Please analyze the image above."))],
  },
};

/** What can be completed: `{prompt or template: {argument: values}}`. */
const suggestions = {
  test_prompt_with_arguments: { arg1: ["paris", "park", "party", "test", "testing"], arg2: ["tested", "world"] },
  [TEMPLATE]: { id: ["1", "12", "123"] },
};

/** The values that begin with what was typed. */
export function complete({ ref, argument }) {
  const values = suggestions[ref.name ?? ref.uri]?.[argument.name] ?? [];
  return values.filter((value) => value.startsWith(argument.value));
}
