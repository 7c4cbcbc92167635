//! The MCP prompts of a run.

use brummer_hub::serve::{CallError, Offer, PromptGet};
use rmcp::model::{GetPromptResult, Prompt, PromptArgument, PromptMessage, Role};

use crate::{resources, tools::App};

/// Longest texts that are taken over from the client.
const MAX_ARGUMENT: usize = 8_000;

pub(crate) fn add(offer: &mut Offer, app: &App) {
    let arguments = vec![
        PromptArgument::new("error_message")
            .with_description("The error, as it was printed")
            .with_required(true),
        PromptArgument::new("context").with_description("What was done when it came").with_required(false),
    ];
    let about = "Finds the cause of an error, with what the scripts have printed around it";
    let prompt = Prompt::new("debug_error", Some(about), Some(arguments));
    let app = app.clone();
    offer.add_prompt(prompt, move |get: PromptGet| {
        let app = app.clone();
        async move { debug_error(&app, &get).await }
    });
}

async fn debug_error(app: &App, get: &PromptGet) -> Result<GetPromptResult, CallError> {
    let argument = |name| get.argument(name).unwrap_or_default().trim();
    let error = crate::detect::engine::cut(argument("error_message"), MAX_ARGUMENT);
    if error.is_empty() {
        return Err(CallError::new("`error_message` is empty"));
    }
    let (errors, lines) = resources::around_errors(app).await;
    let mut text = format!(
        "Find the cause of this error in the project {} and propose a fix.\n\n```\n{error}\n```\n",
        app.directory.display()
    );
    let context = crate::detect::engine::cut(argument("context"), MAX_ARGUMENT);
    if !context.is_empty() {
        text.push_str(&format!("\nWhat was done: {context}\n"));
    }
    if !errors.errors.is_empty() {
        text.push_str("\nErrors that the scripts have printed, the latest first:\n\n```\n");
        for error in &errors.errors {
            text.push_str(&error.summary());
        }
        text.push_str("```\n");
    }
    text.push_str(&format!(
        "\nThe last lines:\n\n```\n{lines}\n```\n\n\
         Look further with the tools errors_list, logs_search and scripts_status; read the source at the places that the \
         stack traces name. Explain the cause before you change anything, and check the fix by running the script again \
         (scripts_restart, then wait_until or logs_tail)."
    ));
    let messages = vec![PromptMessage::new_text(Role::User, text)];
    Ok(GetPromptResult::new(messages).with_description("Debugging an error"))
}
