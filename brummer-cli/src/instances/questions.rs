//! What an instance asks while a tool runs (elicitation), put to the person at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _};

use brummer_hub::client::{Client, Incoming, Received};
use serde_json::{Map, Value, json};

use super::{arguments, schema};
use crate::{clean, deep, output};

/// What the client can do for instances: it asks only where somebody can answer.
pub(super) fn capabilities() -> Value {
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        json!({ "elicitation": { "form": {}, "url": {} } })
    } else {
        json!({})
    }
}

/// Answers what comes. It never ends by itself.
pub(super) async fn answer(client: &Client, incoming: &mut Incoming) {
    while let Some(received) = incoming.recv().await {
        let Received::Message(frame) = received else { continue };
        let Ok(message) = deep::read(&String::from_utf8_lossy(frame.bytes())) else { continue };
        let (Some(id), Some(method)) = (message.get("id"), message["method"].as_str()) else { continue };
        let answer = if method == "elicitation/create" {
            let params = message["params"].clone();
            // The terminal is read on a thread of its own, which ends with the process.
            let asked = tokio::task::spawn_blocking(move || ask(&params, &mut read_line)).await;
            let result = asked.unwrap_or_else(|_| json!({ "action": "cancel" }));
            json!({ "jsonrpc": "2.0", "id": id, "result": result })
        } else {
            let error = json!({ "code": -32601, "message": "this client cannot do that" });
            json!({ "jsonrpc": "2.0", "id": id, "error": error })
        };
        if client.send(answer.to_string()).await.is_err() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// Shows this, and reads a line. `None` at the end of the input.
fn read_line(prompt: &str) -> Option<String> {
    output::prompt(prompt);
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(read) if read > 0 => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
        _ => None,
    }
}

/// Puts one question, and gives the result that answers it.
pub(super) fn ask(params: &Value, read: &mut dyn FnMut(&str) -> Option<String>) -> Value {
    let message = clean::block(params["message"].as_str().unwrap_or("The tool asks something."));
    if params["mode"] == "url" {
        let url = clean::line(params["url"].as_str().unwrap_or_default());
        let prompt = format!("{message}\nOpen this yourself if you trust it: {url}\nDone? [y/N] ");
        return match read(&prompt) {
            Some(answer) if is_yes(&answer) => json!({ "action": "accept" }),
            Some(_) => json!({ "action": "decline" }),
            None => json!({ "action": "cancel" }),
        };
    }
    let schema = &params["requestedSchema"];
    let properties = schema["properties"].as_object();
    let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
        return match read(&format!("{message} [y/N] ")) {
            Some(answer) if is_yes(&answer) => json!({ "action": "accept", "content": {} }),
            Some(_) => json!({ "action": "decline" }),
            None => json!({ "action": "cancel" }),
        };
    };
    let mut content = Map::new();
    let mut heading = format!("{message}\n(`!` declines, the end of input cancels)\n");
    for (key, property) in properties {
        let required =
            schema["required"].as_array().is_some_and(|keys| keys.iter().any(|wanted| wanted == key));
        loop {
            let prompt = format!("{heading}{}", prompt(key, property, required));
            heading.clear();
            let Some(answer) = read(&prompt) else { return json!({ "action": "cancel" }) };
            match answer.as_str() {
                "!" => return json!({ "action": "decline" }),
                "" if !property["default"].is_null() => {
                    content.insert(key.clone(), property["default"].clone());
                }
                "" if !required => {}
                answer => match value(answer, property) {
                    Ok(value) => {
                        content.insert(key.clone(), value);
                    }
                    Err(wanted) => {
                        heading = format!("It must be {}.\n", clean::line(&wanted));
                        continue;
                    }
                },
            }
            break;
        }
    }
    json!({ "action": "accept", "content": content })
}

fn value(answer: &str, property: &Value) -> Result<Value, String> {
    if schema::kinds(property).contains(&"array") && !answer.starts_with('[') {
        let items = answer.split(',').map(|item| one(item.trim(), &property["items"]));
        return items.collect::<Result<Value, _>>();
    }
    if answer.is_empty() && schema::kinds(property) != ["string"] {
        return Err("given".to_owned());
    }
    one(answer, property)
}

fn one(answer: &str, property: &Value) -> Result<Value, String> {
    serde_json::from_str(&arguments::value(answer, property)?)
        .map_err(|_| "of a size that fits into a number of this program".to_owned())
}

fn prompt(key: &str, property: &Value, required: bool) -> String {
    let title = property["title"].as_str().unwrap_or(key);
    let mut about = Vec::new();
    if let Some(choices) = property["enum"].as_array().or(property["items"]["enum"].as_array()) {
        about.push(choices.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "));
    } else {
        about.push(schema::kinds(property).join(" or "));
    }
    match &property["default"] {
        Value::Null if !required => about.push("may be left empty".to_owned()),
        Value::Null => {}
        Value::String(default) => about.push(format!("default {default}")),
        default => about.push(format!("default {default}")),
    }
    about.retain(|text| !text.is_empty());
    let description = property["description"].as_str().map(|text| format!("{text}\n")).unwrap_or_default();
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join("; ")) };
    format!("{}{}: ", clean::block(&description), clean::line(&format!("{title}{about}")))
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks, and answers with these lines; also what was shown.
    fn asked(params: &Value, answers: &[&str]) -> (Value, String) {
        let (mut answers, mut shown) = (answers.iter(), String::new());
        let result = ask(params, &mut |prompt| {
            shown += prompt;
            answers.next().map(|&answer| answer.to_owned())
        });
        (result, shown)
    }

    #[test]
    fn a_form_is_filled_in_line_by_line_and_checked() {
        let params = json!({ "message": "Which one?\x1b[2J", "requestedSchema": { "properties": {
            "name": { "type": "string", "title": "Name" },
            "count": { "type": "integer", "default": 3 },
            "size": { "type": "string", "enum": ["small", "large"] },
            "tags": { "type": "array", "items": { "enum": ["a", "b"] } },
            "note": { "type": "string" },
        }, "required": ["name", "size"] } });
        let (result, shown) = asked(&params, &["lamp", "many", "", "huge", "large", "a, b", ""]);
        let content = json!({ "name": "lamp", "count": 3, "size": "large", "tags": ["a", "b"] });
        assert_eq!(result, json!({ "action": "accept", "content": content }));
        for wanted in [
            "Which one?\u{fffd}[2J",
            "Name (string): ",
            "It must be a whole number.",
            "It must be one of small, large.",
            "may be left empty",
        ] {
            assert!(shown.contains(wanted), "{wanted:?}: {shown}");
        }
        assert_eq!(asked(&params, &["lamp", "!"]).0, json!({ "action": "decline" }));
        assert_eq!(asked(&params, &["lamp"]).0, json!({ "action": "cancel" }));
    }

    #[test]
    fn a_plain_question_and_an_address_take_yes_or_no() {
        let plain = json!({ "message": "Sure?", "requestedSchema": { "properties": {} } });
        assert_eq!(asked(&plain, &["Yes"]).0, json!({ "action": "accept", "content": {} }));
        assert_eq!(asked(&plain, &[""]).0, json!({ "action": "decline" }));
        let url = json!({ "mode": "url", "message": "Log in", "url": "https://x.test/\u{9b}" });
        let (result, shown) = asked(&url, &["y"]);
        assert_eq!(result, json!({ "action": "accept" }));
        assert!(shown.contains("https://x.test/\u{fffd}"), "{shown}");
        assert_eq!(asked(&url, &[]).0, json!({ "action": "cancel" }));
    }
}
