//! Tools and a prompt that ask the client back: by requests up to 2025-11-25, by results that require input from 2026-07-28
//! on.

use brummer_hub::serve::{
    CallError, Offer, PromptGet, ToolCall,
    sdk::rmcp::{
        ErrorData,
        model::{
            CallToolResponse, CallToolResult, ContentBlock, GetPromptResponse, GetPromptResult,
            InputRequiredResult, InputResponses, Prompt, PromptMessage, Role, ServerRequest,
        },
    },
};
use serde_json::{Value, json};

/// What makes a state of this server's own. A server that outlives its process, or keeps something in its states, signs
/// them instead.
const SEAL: &str = "sealed-by-everything";

fn question(message: &str, name: &str, kind: &str) -> Value {
    let schema = json!({ "type": "object", "properties": { name: { "type": kind } }, "required": [name] });
    json!({ "method": "elicitation/create", "params": { "message": message, "requestedSchema": schema } })
}

fn sampling(prompt: &str) -> Value {
    let messages = json!([{ "role": "user", "content": { "type": "text", "text": prompt } }]);
    json!({ "method": "sampling/createMessage", "params": { "messages": messages, "maxTokens": 100 } })
}

/// Asks for all of these.
fn require<T: From<InputRequiredResult>>(requests: &Value, state: Option<&str>) -> Result<T, CallError> {
    let mut result = json!({ "resultType": "input_required", "inputRequests": requests });
    if let Some(state) = state {
        result["requestState"] = format!("{state}.{SEAL}").into();
    }
    Ok(serde_json::from_value::<InputRequiredResult>(result)?.into())
}

/// What a question was answered with.
fn accepted(responses: Option<&InputResponses>, key: &str) -> Result<Option<Value>, CallError> {
    let Some(response) = responses.and_then(|responses| responses.get(key)) else { return Ok(None) };
    if !response.is_object() {
        return Err(ErrorData::invalid_params(format!("the response to {key} is no object"), None).into());
    }
    Ok(Some(response["content"].clone()))
}

/// The state of this server's own that came back.
fn state(call: &ToolCall) -> Result<Option<String>, CallError> {
    let Some(state) = &call.request().request_state else { return Ok(None) };
    let own = state.strip_suffix(SEAL).and_then(|state| state.strip_suffix('.'));
    let own = own.ok_or_else(|| ErrorData::invalid_params("the state is not one of this server", None))?;
    Ok(Some(own.to_owned()))
}

fn done(text: impl Into<String>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

pub(crate) fn add(offer: &mut Offer) {
    add_rounds(offer);
    add_requests(offer);
}

/// 2026-07-28: the result says what is missing, and the client calls again with it.
fn add_rounds(offer: &mut Offer) {
    let ask = |offer: &mut Offer, name: &str, key: &'static str, request: Value| {
        offer.tool(name, "Asks for one thing", json!({}), move |call: ToolCall| {
            let request = json!({ key: request });
            async move {
                match accepted(call.request().input_responses.as_ref(), key)? {
                    Some(content) => Ok(done(format!("Hello, {content}!"))),
                    None => require(&request, None),
                }
            }
        });
    };
    let name = question("What is your name?", "name", "string");
    ask(offer, "test_input_required_result_elicitation", "user_name", name.clone());
    ask(offer, "test_streaming_elicitation", "user_name", name.clone());
    ask(
        offer,
        "test_input_required_result_sampling",
        "capital_question",
        sampling("What is the capital of France?"),
    );
    ask(
        offer,
        "test_input_required_result_list_roots",
        "client_roots",
        json!({ "method": "roots/list", "params": {} }),
    );

    let confirm = json!({ "confirm": question("Please confirm", "ok", "boolean") });
    let all = json!({
        "user_name": name,
        "greeting": sampling("Generate a greeting"),
        "client_roots": { "method": "roots/list", "params": {} },
    });
    for (name, requests) in [
        ("test_input_required_result_request_state", &confirm),
        ("test_input_required_result_tampered_state", &confirm),
        ("test_input_required_result_multiple_inputs", &all),
    ] {
        let requests = requests.clone();
        offer.tool(name, "Asks, and keeps its state at the client", json!({}), move |call: ToolCall| {
            let requests = requests.clone();
            async move {
                match (state(&call)?, &call.request().input_responses) {
                    (Some(_), Some(_)) => Ok(done("state-ok")),
                    _ => require(&requests, Some("asked")),
                }
            }
        });
    }
    offer.tool(
        "test_input_required_result_multi_round",
        "Asks twice",
        json!({}),
        |call: ToolCall| async move {
            match state(&call)?.as_deref() {
                None => require(
                    &json!({ "step1": question("Step 1: What is your name?", "name", "string") }),
                    Some("1"),
                ),
                Some("1") => {
                    let question = question("Step 2: What is your favorite color?", "color", "string");
                    require(&json!({ "step2": question }), Some("2"))
                }
                Some(_) => Ok(done("both were answered")),
            }
        },
    );
    offer.tool(
        "test_input_required_result_capabilities",
        "Asks what it may",
        json!({}),
        |call: ToolCall| async move {
            let capabilities =
                serde_json::to_value(call.context().client_capabilities().unwrap_or_default())?;
            let mut requests = json!({});
            if capabilities.get("elicitation").is_some() {
                requests["name"] = question("What is your name?", "name", "string");
            }
            if capabilities.get("sampling").is_some() {
                requests["greeting"] = sampling("Generate a greeting");
            }
            require::<CallToolResponse>(&requests, None)
        },
    );
    let prompt = Prompt::new("test_input_required_result_prompt", Some("Asks for its context"), None);
    offer.add_prompt(prompt, |get: PromptGet| async move {
        match accepted(get.request().input_responses.as_ref(), "user_context")? {
            Some(context) => {
                let message = PromptMessage::new_text(Role::User, format!("Context: {context}"));
                Ok(GetPromptResult::new(vec![message]).into())
            }
            None => require::<GetPromptResponse>(
                &json!({ "user_context": question("What context should the prompt use?", "context", "string") }),
                None,
            ),
        }
    });
}

/// Asks the client of a session, and waits for its answer.
async fn ask(call: &ToolCall, request: Value) -> Result<Value, CallError> {
    let request: ServerRequest = serde_json::from_value(request)?;
    Ok(serde_json::to_value(call.context().peer.send_request(request).await?)?)
}

/// Up to 2025-11-25: the server asks while the call runs.
fn add_requests(offer: &mut Offer) {
    let strings = |names: &[&str]| {
        let properties: serde_json::Map<_, _> =
            names.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
        json!({ "type": "object", "properties": properties, "required": names })
    };
    offer.tool(
        "test_sampling",
        "Asks the client's model",
        strings(&["prompt"]),
        |call: ToolCall| async move {
            let prompt =
                call.arguments().get("prompt").and_then(Value::as_str).unwrap_or_default().to_owned();
            let answer = ask(&call, sampling(&prompt)).await?;
            Ok(format!("LLM response: {}", answer["content"]["text"].as_str().unwrap_or_default()))
        },
    );
    let elicit = |offer: &mut Offer, name: &str, arguments: Value, schema: Value| {
        offer.tool(name, "Asks the user", arguments, move |call: ToolCall| {
            let schema = schema.clone();
            async move {
                let message = call
                    .arguments()
                    .get("message")
                    .and_then(Value::as_str)
                    .unwrap_or("Please answer")
                    .to_owned();
                let question = json!({ "message": message, "requestedSchema": schema });
                let answer =
                    ask(&call, json!({ "method": "elicitation/create", "params": question })).await?;
                Ok(format!(
                    "Elicitation completed: action={}, content={}",
                    answer["action"], answer["content"]
                ))
            }
        });
    };
    elicit(offer, "test_elicitation", strings(&["message"]), strings(&["username", "email"]));
    elicit(
        offer,
        "test_elicitation_sep1034_defaults",
        json!({}),
        json!({ "type": "object", "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
            "verified": { "type": "boolean", "default": true },
        } }),
    );
    let (options, titled) = (json!(["option1", "option2", "option3"]), |noun: &str| {
        let title =
            |(value, ordinal): (&str, &str)| json!({ "const": value, "title": format!("{ordinal} {noun}") });
        let values = [("value1", "First"), ("value2", "Second"), ("value3", "Third")];
        Value::Array(values.map(title).to_vec())
    });
    elicit(
        offer,
        "test_elicitation_sep1330_enums",
        json!({}),
        json!({ "type": "object", "properties": {
            "untitledSingle": { "type": "string", "enum": options },
            "titledSingle": { "type": "string", "oneOf": titled("Option") },
            "legacyEnum": {
                "type": "string", "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
        } }),
    );
}
