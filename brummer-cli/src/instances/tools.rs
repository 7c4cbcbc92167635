//! `tools`: what instances offer.

use brummer_hub::instance::InstanceState;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Remote, Setting, Tool, hint,
    schema::{Arguments, choice, kinds},
};
use crate::{
    clean,
    exit::{ExitStatus, Failure},
    output,
};

/// Shows the tools of one instance with their arguments, or of all in short.
pub(crate) async fn tools(
    setting: Setting,
    instance: Option<String>,
    json: bool,
) -> Result<ExitStatus, Failure> {
    Remote::with(
        setting,
        &json!({}),
        |remote, _| async move { show(&remote, instance.as_deref(), json).await },
    )
    .await
}

async fn show(remote: &Remote, instance: Option<&str>, json: bool) -> Result<ExitStatus, Failure> {
    let wanted = match instance {
        Some(instance) => Some(remote.find(instance).await?),
        None => None,
    };
    let snapshot = remote.settled().await;
    let mut text = String::new();
    let mut listed = Vec::new();
    for instance in &snapshot.instances {
        let id = instance.id().to_string();
        if wanted.as_ref().map_or(instance.state != InstanceState::Active, |wanted| *wanted != id) {
            continue;
        }
        let tools = remote.tools(&id).await?;
        if wanted.is_none() {
            text += &format!("{}{}\n", if text.is_empty() { "" } else { "\n" }, clean::line(&instance.alias));
        }
        for tool in &tools {
            text += &described(&tool.read, wanted.is_some());
        }
        listed.push(Listed { instance_id: id, alias: instance.alias.to_string(), tools });
    }
    if json {
        #[derive(Serialize)]
        struct All {
            instances: Vec<Listed>,
        }
        let all = serde_json::to_string_pretty(&All { instances: listed })?;
        output::data(&clean::json(&format!("{all}\n")))?;
    } else if listed.is_empty() {
        output::note(format_args!("no instance is running\nhint: {}", hint(&snapshot)));
    } else if text.is_empty() {
        output::note("it has no tools");
    } else {
        output::data(&text)?;
    }
    Ok(ExitStatus::Success)
}

/// An instance and its tools, for programs.
#[derive(Serialize)]
struct Listed {
    instance_id: String,
    alias: String,
    tools: Vec<Tool>,
}

/// A tool, and if wanted its arguments, each on a line.
pub(super) fn described(tool: &Map<String, Value>, whole: bool) -> String {
    let text = |key: &str| tool.get(key).and_then(Value::as_str).unwrap_or_default();
    if !whole {
        return format!(
            "  {}  {}\n",
            clean::line(text("name")),
            clean::line(first_line(text("description")))
        );
    }
    let mut shown = format!("{}\n", clean::line(text("name")));
    for line in clean::block(text("description")).lines() {
        shown += &format!("    {line}\n");
    }
    let arguments = Arguments::of(tool.get("inputSchema").unwrap_or(&Value::Null));
    for (key, property) in &arguments.named {
        shown += &argument(key, property, arguments.is_required(key));
    }
    for (pattern, property) in &arguments.patterns {
        shown += &argument(&format!("/{pattern}/"), property, false);
    }
    if let Some(property) = arguments.others.as_ref().filter(|property| property.is_object()) {
        shown += &argument("*", property, false);
    }
    shown
}

/// An argument and what is said of it. A pattern stands between slashes, a star for all other names.
fn argument(key: &str, property: &Value, is_required: bool) -> String {
    let kinds = kinds(property);
    let kind = match property["enum"].as_array() {
        Some(choices) => choices.iter().map(choice).collect::<Vec<_>>().join("|"),
        None if kinds.is_empty() => "any".to_owned(),
        None => kinds.join("|"),
    };
    let about = first_line(property["description"].as_str().unwrap_or_default());
    let pair = format!("{key}={kind}");
    let pair = if is_required { pair } else { format!("[{pair}]") };
    format!("{}\n", clean::line(&format!("  {pair}  {about}")).trim_end())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_shown_with_what_it_takes_and_nothing_that_steers_the_terminal() {
        let tool = json!({
            "name": "find\x1b[2J", "description": "Finds.\nMore.",
            "inputSchema": { "properties": {
                "q": { "type": "string", "description": "What" },
                "level": { "enum": ["a", 1] }, "any": {},
            }, "required": ["q"] },
        });
        let tool = tool.as_object().unwrap();
        assert_eq!(described(tool, false), "  find\u{fffd}[2J  Finds.\n");
        assert_eq!(
            described(tool, true),
            "find\u{fffd}[2J\n    Finds.\n    More.\n  q=string  What\n  [level=a|1]\n  [any=any]\n"
        );
        let tool = json!({ "name": "set", "inputSchema": {
            "patternProperties": { "^x-": { "type": "string", "description": "Yours" } },
            "additionalProperties": { "type": "integer" },
        } });
        assert_eq!(
            described(tool.as_object().unwrap(), true),
            "set\n  [/^x-/=string]  Yours\n  [*=integer]\n"
        );
    }
}
