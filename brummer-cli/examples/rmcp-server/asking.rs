//! Questions to the client, in the manner of its era: a legacy client gets a request and answers it; a client of 2026-07-28
//! gets the question as the result of its own request, and sends that again with the answer.
#![expect(deprecated, reason = "sampling and roots are deprecated and must go through the hub, too")]

use rmcp::{ErrorData, RoleServer, model::*, schemars::JsonSchema, service::RequestContext};
use serde::de::DeserializeOwned;

use crate::shared::{gone, is_modern};

/// The only question of a round.
const KEY: &str = "question";

/// What became of a question.
pub(crate) enum Asked<T> {
    Answered(T),
    /// The request is to be sent again with the answer.
    Open(InputRequiredResult),
}

/// One execution of a tool that asks.
pub(crate) struct Round<'a> {
    tool: &'static str,
    context: &'a RequestContext<RoleServer>,
    answers: Option<InputResponses>,
}

impl<'a> Round<'a> {
    /// A state that this tool has not given out is refused.
    pub(crate) fn new(
        tool: &'static str,
        context: &'a RequestContext<RoleServer>,
        answers: Option<InputResponses>,
        state: Option<String>,
    ) -> Result<Self, ErrorData> {
        match state {
            Some(state) if state != state_of(tool) => {
                Err(ErrorData::invalid_params("requestState is not one of this tool's", None))
            }
            _ => Ok(Self { tool, context, answers }),
        }
    }

    /// Asks the person for the fields of `T`.
    pub(crate) async fn person<T: JsonSchema + 'static>(
        self,
        message: String,
    ) -> Result<Asked<ElicitResult>, ErrorData> {
        let requested_schema = ElicitationSchema::from_type::<T>()
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let params = ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema };
        if is_modern(self.context) {
            return self.in_result(InputRequest::Elicitation(ElicitRequest::new(params)));
        }
        self.context.peer.create_elicitation(params).await.map(Asked::Answered).map_err(gone)
    }

    /// Asks the client's model.
    pub(crate) async fn model(self, prompt: String) -> Result<Asked<CreateMessageResult>, ErrorData> {
        let params = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(prompt)], 100);
        if is_modern(self.context) {
            return self.in_result(InputRequest::CreateMessage(CreateMessageRequest::new(params)));
        }
        self.context.peer.create_message(params).await.map(Asked::Answered).map_err(gone)
    }

    /// Asks for the client's roots.
    pub(crate) async fn roots(self) -> Result<Asked<ListRootsResult>, ErrorData> {
        if is_modern(self.context) {
            return self.in_result(InputRequest::ListRoots(ListRootsRequest::default()));
        }
        self.context.peer.list_roots().await.map(Asked::Answered).map_err(gone)
    }

    fn in_result<T: DeserializeOwned>(mut self, question: InputRequest) -> Result<Asked<T>, ErrorData> {
        let Some(answer) = self.answers.as_mut().and_then(|answers| answers.remove(KEY)) else {
            let questions = InputRequests::from([(KEY.to_owned(), question)]);
            return Ok(Asked::Open(InputRequiredResult::new(Some(questions), Some(state_of(self.tool)))));
        };
        serde_json::from_value(answer)
            .map(Asked::Answered)
            .map_err(|error| ErrorData::invalid_params(error.to_string(), None))
    }
}

/// Nothing need be kept between the rounds, so it only says whose it is, in letters that are easily damaged.
fn state_of(tool: &str) -> String {
    format!("{tool}: \"\u{20ac}\" \\ +/=")
}
