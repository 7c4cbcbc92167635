//! Mends what the released Go program answers and MCP does not know: bare tool results and prompts with a role that
//! does not exist. Only its results are touched; it gives itself away by its `serverInfo`.

use serde_json::{Value, json};

use crate::frame::{Edit, Frame};

/// A tool result that is no `CallToolResult` is wrapped into one.
pub(super) fn mended_tool_result(frame: &Frame) -> Option<Edit> {
    let text = frame.result()?;
    let value: Value = serde_json::from_str(text).ok()?;
    if value.get("content").is_some_and(Value::is_array) {
        return None;
    }
    let mut result = json!({"content": [{"type": "text", "text": text}]});
    if value.is_object() {
        result["structuredContent"] = value;
    }
    Some((frame.span_of(text), result.to_string()))
}

/// Messages of the role `system` become the user's, and plain strings become text content.
pub(super) fn mended_prompt(frame: &Frame) -> Option<Edit> {
    let text = frame.result()?;
    let mut value: Value = serde_json::from_str(text).ok()?;
    let mut changed = false;
    for message in value.get_mut("messages")?.as_array_mut()? {
        if message.get("role").is_some_and(|role| role == "system") {
            message["role"] = "user".into();
            changed = true;
        }
        if let Some(Value::String(content)) = message.get("content") {
            message["content"] = json!({"type": "text", "text": content});
            changed = true;
        }
    }
    changed.then(|| (frame.span_of(text), value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::splice;

    fn mend(result: &str, how: fn(&Frame) -> Option<Edit>) -> Option<Value> {
        let frame = Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)).unwrap();
        let (span, text) = how(&frame)?;
        let mended: Value = serde_json::from_slice(&splice(frame.bytes(), [(span, text.into())])).unwrap();
        Some(mended["result"].clone())
    }

    #[test]
    fn bare_results_are_wrapped_and_proper_ones_left_alone() {
        assert_eq!(mend(r#"{"content":[]}"#, mended_tool_result), None);
        let object = mend(r#"{"scripts":{"dev":"vite"}}"#, mended_tool_result).unwrap();
        assert_eq!(object["structuredContent"]["scripts"]["dev"], "vite");
        assert_eq!(object["content"][0]["text"], r#"{"scripts":{"dev":"vite"}}"#);
        for bare in ["[1]", "null", "\"text\""] {
            let wrapped = mend(bare, mended_tool_result).unwrap();
            assert_eq!(wrapped, json!({"content": [{"type": "text", "text": bare}]}));
        }
    }

    #[test]
    fn prompts_get_a_role_and_content_that_exist() {
        let mended = mend(r#"{"messages":[{"role":"system","content":"be brief"}]}"#, mended_prompt).unwrap();
        assert_eq!(
            mended["messages"][0],
            json!({"role": "user", "content": {"type": "text", "text": "be brief"}})
        );
        assert_eq!(
            mend(r#"{"messages":[{"role":"user","content":{"type":"text","text":""}}]}"#, mended_prompt),
            None
        );
    }
}
