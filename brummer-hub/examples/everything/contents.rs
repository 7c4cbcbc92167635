//! Resources, prompts and completions.

use brummer_hub::serve::{
    CompletionRequest, Offer, PromptGet, ResourceRead,
    sdk::rmcp::model::{
        ContentBlock, Prompt, PromptArgument, PromptMessage, Resource, ResourceContents, ResourceTemplate,
        Role,
    },
};
use serde_json::json;

/// A PNG of one red pixel.
pub(crate) const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC";

/// A WAV of eight silent samples.
pub(crate) const WAV: &str = "UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQgAAACAgICAgICAgA==";

/// What can be completed: the prompt's argument or the template's variable, and its values.
const SUGGESTIONS: [(&str, &[&str]); 3] = [
    ("arg1", &["paris", "park", "party", "test", "testing"]),
    ("arg2", &["tested", "world"]),
    ("id", &["1", "12", "123"]),
];

fn user(content: ContentBlock) -> PromptMessage {
    PromptMessage::new(Role::User, content)
}

fn prompt(name: &str, description: &str, arguments: &[&str]) -> Prompt {
    let arguments = arguments.iter().map(|name| PromptArgument::new(*name).with_required(true));
    Prompt::new(name, Some(description), Some(arguments.collect()))
}

pub(crate) fn add(offer: &mut Offer) {
    let text = Resource::new("test://static-text", "static-text").with_mime_type("text/plain");
    offer.add_resource(text, |_read| async { Ok("This is the content of the static text resource.") });
    let binary = Resource::new("test://static-binary", "static-binary").with_mime_type("image/png");
    offer.add_resource(binary, |read: ResourceRead| async move {
        Ok(vec![ResourceContents::blob(PNG, read.uri()).with_mime_type("image/png")])
    });
    let watched = Resource::new("test://watched-resource", "watched-resource").with_mime_type("text/plain");
    offer.add_resource(watched, |_read| async { Ok("This is the content of the watched resource.") });
    let template =
        ResourceTemplate::new("test://template/{id}/data", "template").with_mime_type("application/json");
    offer.add_resource_template(template, |read: ResourceRead| async move {
        let id = read.variable("id").unwrap_or_default();
        Ok(json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") }))
    });

    offer.add_prompt(prompt("test_simple_prompt", "Without arguments", &[]), |_get| async {
        Ok("This is a simple prompt for testing.")
    });
    let two = prompt("test_prompt_with_arguments", "With two arguments", &["arg1", "arg2"]);
    offer.add_prompt(two, |get: PromptGet| async move {
        let argument = |name| get.argument(name).unwrap_or_default();
        Ok(format!("Prompt with arguments: arg1='{}', arg2='{}'", argument("arg1"), argument("arg2")))
    });
    let embeds = prompt("test_prompt_with_embedded_resource", "Embeds a resource", &["resourceUri"]);
    offer.add_prompt(embeds, |get: PromptGet| async move {
        let uri = get.argument("resourceUri").unwrap_or_default();
        let contents = ResourceContents::text("Embedded resource content for testing.", uri);
        let resource = ContentBlock::resource(contents.with_mime_type("text/plain"));
        Ok(vec![user(resource), user(ContentBlock::text("Please process the embedded resource above."))])
    });
    offer.add_prompt(prompt("test_prompt_with_image", "With an image", &[]), |_get| async {
        let image = ContentBlock::image(PNG, "image/png");
        Ok(vec![user(image), user(ContentBlock::text("Please analyze the image above."))])
    });

    offer.complete_with(|request: CompletionRequest| async move {
        let known = request.prompt().is_none_or(|prompt| prompt == "test_prompt_with_arguments");
        let fits = |(name, _): &&(&str, &[&str])| known && *name == request.argument();
        let values = SUGGESTIONS.iter().find(fits).map_or::<&[&str], _>(&[], |(_, values)| *values);
        let typed = |value: &&&str| value.starts_with(request.typed());
        Ok(values.iter().filter(typed).map(ToString::to_string).collect())
    });
}
