// What the conformance scenarios for 2026-07-28 look for besides the tools and prompts that every revision has: calls
// that ask in their results. Each is `{description, call}`; `call` is given what the client has answered so far
// (`answers`), the state that came back (`state`, a number of rounds, checked), and the client's capabilities, and gives
// contents or `{ask, state}`.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

import { text } from "./conformance-media.mjs";
import { strings } from "./conformance-schemas.mjs";

const key = randomBytes(32);
const mac = (payload) => createHmac("sha256", key).update(payload).digest("base64url");

/** A state that nobody else can make, for a tool and a round. */
export const seal = (tool, round) => `${tool}.${round}.${mac(`${tool}.${round}`)}`;

/** The round that a state of this tool stands for; nothing if it is not one. */
export function unseal(tool, state) {
  const [name, round, tag = ""] = String(state).split(".");
  const wanted = Buffer.from(mac(`${tool}.${round}`));
  const given = Buffer.from(tag);
  const genuine = name === tool && given.length === wanted.length && timingSafeEqual(given, wanted);
  return genuine ? Number(round) : undefined;
}

const person = (message, requestedSchema) => ({ method: "elicitation/create", params: { message, requestedSchema } });
const model = (words, maxTokens) => ({
  method: "sampling/createMessage",
  params: { messages: [{ role: "user", content: text(words) }], maxTokens },
});
const roots = { method: "roots/list", params: {} };
const confirmation = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] };

/** An answer that a person gave, or nothing if it is not one. */
const accepted = (answer) => (answer?.action === "accept" && typeof answer.content === "object" ? answer.content : undefined);

const name = person("What is your name?", strings({ name: "Your name" }));

export const tools = {
  test_input_required_result_elicitation: {
    description: "Asks for a name in its result",
    call({ answers }) {
      const given = accepted(answers.user_name);
      return typeof given?.name === "string" ? [text(`Hello, ${given.name}!`)] : { ask: { user_name: name } };
    },
  },
  test_input_required_result_sampling: {
    description: "Asks the client's model in its result",
    call({ answers: { capital_question: answer } }) {
      if (answer?.content === undefined) return { ask: { capital_question: model("What is the capital of France?", 100) } };
      return [text(answer.content.text ?? JSON.stringify(answer.content))];
    },
  },
  test_input_required_result_list_roots: {
    description: "Asks for the roots in its result",
    call({ answers: { client_roots: answer } }) {
      if (!Array.isArray(answer?.roots)) return { ask: { client_roots: roots } };
      return [text(answer.roots.map(({ uri }) => uri).join("\n"))];
    },
  },
  test_input_required_result_request_state: {
    description: "Asks for a confirmation, with a state",
    call({ answers, state }) {
      if (state !== 1 || !accepted(answers.confirm)) {
        return { ask: { confirm: person("Please confirm", confirmation) }, state: 1 };
      }
      return [text("state-ok")];
    },
  },
  test_input_required_result_multiple_inputs: {
    description: "Asks three things at once",
    call({ answers, state }) {
      const ask = { user_name: name, greeting: model("Generate a greeting", 50), client_roots: roots };
      if (state !== 1 || Object.keys(ask).some((it) => answers[it] === undefined)) return { ask, state: 1 };
      return [text("All three were answered.")];
    },
  },
  test_input_required_result_multi_round: {
    description: "Asks one thing after the other",
    call({ answers, state }) {
      const one = person("Step 1: What is your name?", strings({ name: "Your name" }));
      const two = person("Step 2: What is your favorite color?", strings({ color: "A color" }));
      if (state === 2 && accepted(answers.step2)) return [text("Both were answered.")];
      if (state !== undefined && (state === 2 || accepted(answers.step1))) return { ask: { step2: two }, state: 2 };
      return { ask: { step1: one }, state: 1 };
    },
  },
  test_input_required_result_tampered_state: {
    description: "Has a state that must not be changed",
    call({ answers, state }) {
      if (state !== 1 || !accepted(answers.confirm)) {
        return { ask: { confirm: person("Please confirm", confirmation) }, state: 1 };
      }
      return [text("The state is genuine.")];
    },
  },
  test_input_required_result_capabilities: {
    description: "Asks only what the client can answer",
    call({ answers, capabilities }) {
      if (Object.keys(answers).length > 0) return [text("Answered.")];
      const ask = {
        ...(capabilities.elicitation && { user_name: name }),
        ...(capabilities.sampling && { greeting: model("Generate a greeting", 50) }),
        ...(capabilities.roots && { client_roots: roots }),
      };
      return Object.keys(ask).length > 0 ? { ask } : [text("There is nobody to ask.")];
    },
  },
  test_streaming_elicitation: {
    description: "Asks on a stream, which may have no request of its own",
    call({ answers }) {
      return accepted(answers.user_name) ? [text("Answered.")] : { ask: { user_name: name } };
    },
  },
};

export const prompts = {
  test_input_required_result_prompt: {
    description: "A prompt that asks for its context",
    messages({ answers }) {
      const context = accepted(answers.user_context)?.context;
      if (context === undefined) {
        return { ask: { user_context: person("What context should the prompt use?", strings({ context: "Any" })) } };
      }
      return [{ role: "user", content: text(`In the context of ${context}.`) }];
    },
  },
};
