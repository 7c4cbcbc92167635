//! Definitions, requests and results as MCP writes them, in JSON, whatever the SDK makes of them.
//!
//! The types of the SDK are within; they show with the feature `sdk` only, since they change with its versions.

use rmcp::model::{
    CallToolResponse, CallToolResult, CompleteRequestParams, GetPromptResponse, GetPromptResult, Prompt,
    ReadResourceResponse, ReadResourceResult, Reference, Resource, ResourceTemplate, Tool,
};
use serde_json::Value;

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident($inner:ty) from $json:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug)]
            pub struct $name(pub(super) $inner);

            impl $name {
                /// What MCP writes for it.
                ///
                /// # Errors
                /// When a member that it needs is missing, or one is not what MCP has there.
                pub fn from_json(json: Value) -> Result<Self, serde_json::Error> {
                    Ok(Self(serde_json::from_value::<$json>(json)?.into()))
                }
            }

            #[cfg(feature = "sdk")]
            impl From<$inner> for $name {
                fn from(inner: $inner) -> Self {
                    Self(inner)
                }
            }
        )*
    };
}

shapes! {
    /// A tool, with all that a definition may have: title, output schema, annotations, icons.
    ToolDefinition(Tool) from Tool;
    /// A resource.
    ResourceDefinition(Resource) from Resource;
    /// Resources whose URIs fit a template. `{name}` in it stands for characters other than `/`, `{+name}` for any.
    TemplateDefinition(ResourceTemplate) from ResourceTemplate;
    /// A prompt, with its arguments.
    PromptDefinition(Prompt) from Prompt;
    /// The result of a tool.
    ToolResponse(CallToolResponse) from CallToolResult;
    /// The contents of a resource.
    ReadResponse(ReadResourceResponse) from ReadResourceResult;
    /// The messages of a prompt.
    PromptResponse(GetPromptResponse) from GetPromptResult;
}

/// What a client wants to have completed: an argument of a prompt, or a variable of a template.
#[derive(Clone, Debug)]
pub struct CompletionRequest(pub(super) CompleteRequestParams);

impl CompletionRequest {
    /// The prompt, if it is an argument of one.
    #[must_use]
    pub fn prompt(&self) -> Option<&str> {
        match &self.0.r#ref {
            Reference::Prompt(prompt) => Some(&prompt.name),
            _ => None,
        }
    }

    /// The template, if it is a variable of one.
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        match &self.0.r#ref {
            Reference::Resource(resource) => Some(&resource.uri),
            _ => None,
        }
    }

    /// Name of the argument or variable.
    #[must_use]
    pub fn argument(&self) -> &str {
        &self.0.argument.name
    }

    /// What was typed of its value.
    #[must_use]
    pub fn typed(&self) -> &str {
        &self.0.argument.value
    }

    /// The value that another argument or variable has already.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&str> {
        Some(self.0.context.as_ref()?.arguments.as_ref()?.get(name)?.as_str())
    }

    /// The whole request, as the SDK has it.
    #[cfg(feature = "sdk")]
    #[must_use]
    pub fn request(&self) -> &CompleteRequestParams {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_mcp_writes_is_read_and_what_is_wrong_is_told() {
        let tool = json!({ "name": "greet", "inputSchema": { "type": "object" }, "title": "Greets" });
        let read = ToolDefinition::from_json(tool.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read.0).unwrap(), tool);
        let error = ToolDefinition::from_json(json!({ "name": "greet" })).unwrap_err().to_string();
        assert!(error.contains("inputSchema"), "{error}");
        let result = json!({ "content": [{ "type": "text", "text": "no" }], "isError": true });
        let read = ToolResponse::from_json(result.clone()).unwrap();
        let CallToolResponse::Complete(read) = read.0 else { panic!("{read:?}") };
        assert_eq!(serde_json::to_value(&read).unwrap()["content"], result["content"]);
        assert_eq!(read.is_error, Some(true));
    }

    #[test]
    fn a_completion_says_what_of() {
        let request = |reference: Value| {
            let json = json!({
                "ref": reference, "argument": { "name": "city", "value": "Pa" },
                "context": { "arguments": { "country": "France" } },
            });
            CompletionRequest(serde_json::from_value(json).unwrap())
        };
        let of_prompt = request(json!({ "type": "ref/prompt", "name": "travel" }));
        assert_eq!((of_prompt.prompt(), of_prompt.template()), (Some("travel"), None));
        assert_eq!((of_prompt.argument(), of_prompt.typed()), ("city", "Pa"));
        assert_eq!((of_prompt.given("country"), of_prompt.given("city")), (Some("France"), None));
        let of_template = request(json!({ "type": "ref/resource", "uri": "map://{city}" }));
        assert_eq!((of_template.prompt(), of_template.template()), (None, Some("map://{city}")));
    }
}
