//! Tools that answer by themselves.

use std::time::Duration;

use brummer_hub::serve::{
    CallError, Changes, LogLevel, Offer, ToolCall,
    sdk::rmcp::{
        ErrorData,
        model::{ClientCapabilities, ContentBlock, ResourceContents},
    },
};
use serde_json::{Value, json};

use crate::contents::{PNG, WAV};

/// The pause that the scenarios ask for between two notifications of a call.
const STEP: Duration = Duration::from_millis(50);

/// A tool that always gives the same.
fn constant(offer: &mut Offer, name: &str, content: Vec<ContentBlock>) {
    offer.tool(name, "Always gives the same", json!({}), move |_call| {
        let content = content.clone();
        async move { Ok(content) }
    });
}

fn embedded(uri: &str, mime_type: &str, text: &str) -> ContentBlock {
    ContentBlock::resource(ResourceContents::text(text, uri).with_mime_type(mime_type))
}

pub(crate) fn add(offer: &mut Offer) {
    let image = || ContentBlock::image(PNG, "image/png");
    constant(
        offer,
        "test_simple_text",
        vec![ContentBlock::text("This is a simple text response for testing.")],
    );
    constant(offer, "test_image_content", vec![image()]);
    constant(offer, "test_audio_content", vec![ContentBlock::audio(WAV, "audio/wav")]);
    let resource =
        embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.");
    constant(offer, "test_embedded_resource", vec![resource]);
    let mixed =
        embedded("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#);
    constant(
        offer,
        "test_multiple_content_types",
        vec![ContentBlock::text("Multiple content types test:"), image(), mixed],
    );
    offer.tool("test_error_handling", "Fails", json!({}), |_call| async {
        Err::<(), _>(CallError::new("This tool intentionally returns an error for testing"))
    });
    offer.tool(
        "test_tool_with_progress",
        "Reports progress while it runs",
        json!({}),
        |call: ToolCall| async move {
            for done in [0.0, 50.0, 100.0] {
                call.progress(done, Some(100.0), None).await;
                tokio::time::sleep(STEP).await;
            }
            Ok("Tool with progress executed successfully")
        },
    );
    for name in ["test_tool_with_logging", "test_logging_tool"] {
        offer.tool(name, "Logs while it runs", json!({}), |call: ToolCall| async move {
            for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                call.log(LogLevel::Info, Some(call.name()), message).await;
                tokio::time::sleep(STEP).await;
            }
            Ok("Tool with logging executed successfully")
        });
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": { "address": {
            "$anchor": "address", "type": "object", "properties": { "street": { "type": "string" }, "city": { "type": "string" } }
        } },
        "properties": { "name": { "type": "string" }, "address": { "$ref": "#/$defs/address" } },
        "allOf": [{ "anyOf": [{ "required": ["name"] }, { "required": ["address"] }] }],
        "if": { "required": ["address"] },
        "then": { "required": ["name"] },
        "else": {},
        "additionalProperties": false,
    });
    offer.tool("json_schema_2020_12_tool", "Has a schema of 2020-12", schema, |call: ToolCall| async move {
        Ok(format!("JSON Schema 2020-12 tool called with {}", Value::Object(call.arguments().into_owned())))
    });
    // 2026-07-28, tools § x-mcp-header.
    let region = json!({ "properties": { "region": { "type": "string", "x-mcp-header": "Region" } } });
    offer.tool(
        "test_custom_headers",
        "Has an argument that is a header, too",
        region,
        |call: ToolCall| async move { Ok(format!("region {:?}", call.arguments().get("region"))) },
    );
    offer.tool(
        "test_missing_capability",
        "Needs a client with sampling",
        json!({}),
        |call: ToolCall| async move {
            let capabilities = call.context().client_capabilities().unwrap_or_default();
            if serde_json::to_value(capabilities)?.get("sampling").is_none() {
                let required: ClientCapabilities = serde_json::from_value(json!({ "sampling": {} }))?;
                return Err(ErrorData::missing_required_client_capability(required).into());
            }
            Ok("the client has sampling")
        },
    );
    offer.tool("test_reconnection", "Takes a while", json!({}), |_call| async {
        tokio::time::sleep(3 * STEP).await;
        Ok("Answered after a while")
    });
}

/// Tools that make a list another one, or say so.
pub(crate) fn add_changing(offer: &mut Offer, changes: &Changes) {
    let (tools, prompts) = (changes.clone(), changes.clone());
    offer.tool("test_trigger_tool_change", "Says that the tools changed", json!({}), move |_call| {
        tools.tools();
        async { Ok("said") }
    });
    offer.tool("test_trigger_prompt_change", "Says that the prompts changed", json!({}), move |_call| {
        prompts.prompts();
        async { Ok("said") }
    });
}
