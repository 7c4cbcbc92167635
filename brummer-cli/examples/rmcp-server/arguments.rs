//! What the tools and prompts take and give. The SDK makes their JSON schemas from these types.
#![expect(deprecated, reason = "log levels are deprecated and must go through the hub, too")]

use rmcp::{
    model::LoggingLevel,
    schemars::{self, JsonSchema},
};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Echo {
    /// What to say.
    pub(crate) message: String,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Add {
    pub(crate) a: f64,
    pub(crate) b: f64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Sum {
    pub(crate) sum: f64,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Slow {
    /// How many steps to take, each announced as progress.
    pub(crate) steps: u32,
    /// How long a step takes.
    pub(crate) step_ms: u64,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Cancellations {
    /// Wait until there are more than this.
    pub(crate) above: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Big {
    /// Length of the text to answer with.
    pub(crate) bytes: usize,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Touch {
    /// The note to change.
    pub(crate) name: String,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Log {
    pub(crate) level: LoggingLevel,
    pub(crate) message: String,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Question {
    /// What to ask.
    pub(crate) question: String,
}

/// What the client's model said.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Sampled {
    pub(crate) model: String,
    pub(crate) text: String,
}

/// What the person is asked for.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Answer {
    /// The answer, in a few words.
    pub(crate) answer: String,
}
rmcp::elicit_safe!(Answer);

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Greeting {
    /// Whom to greet.
    pub(crate) name: String,
    /// `formal`, `friendly` or `short`.
    pub(crate) style: Option<String>,
}
