// What instances answer, as MCP has it (revision 2025-11-25).

/** A tool, as an instance describes it. */
export interface Tool {
  name: string;
  title?: string;
  description?: string;
  inputSchema: { type: "object"; [member: string]: unknown };
  outputSchema?: { [member: string]: unknown };
  annotations?: Record<string, unknown>;
  [member: string]: unknown;
}

/** A piece of content: text, image, audio, resource, or a link to one. */
export interface ContentBlock {
  type: string;
  text?: string;
  data?: string;
  mimeType?: string;
  [member: string]: unknown;
}

/** What a tool answered. With `isError`, the tool says that it failed. */
export interface CallToolResult {
  content: ContentBlock[];
  structuredContent?: unknown;
  isError?: boolean;
  [member: string]: unknown;
}

/** A resource, as an instance describes it. */
export interface Resource {
  uri: string;
  name: string;
  title?: string;
  description?: string;
  mimeType?: string;
  [member: string]: unknown;
}

/** Resources whose URIs fit a template (RFC 6570). */
export interface ResourceTemplate {
  uriTemplate: string;
  name: string;
  title?: string;
  description?: string;
  mimeType?: string;
  [member: string]: unknown;
}

/** What a resource holds. */
export interface ReadResourceResult {
  contents: { uri: string; mimeType?: string; text?: string; blob?: string; [member: string]: unknown }[];
  [member: string]: unknown;
}

/** A prompt, as an instance describes it. */
export interface Prompt {
  name: string;
  title?: string;
  description?: string;
  arguments?: { name: string; description?: string; required?: boolean; [member: string]: unknown }[];
  [member: string]: unknown;
}

/** One message of a prompt. */
export interface PromptMessage {
  role: "user" | "assistant";
  content: ContentBlock;
}

/** A prompt that was filled in. */
export interface GetPromptResult {
  description?: string;
  messages: PromptMessage[];
  [member: string]: unknown;
}
