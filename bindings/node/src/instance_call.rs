//! One request to an instance, on its way through JavaScript.
//!
//! ```text
//!  the server's future ──Crossing──▶ JavaScript: NativeCall, or "cancelled"
//!                      ◀──Note─────  progress, log (bounded, may be lost)
//!                      ◀──oneshot──  the answer
//! ```

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use brummer_hub::serve::{
    CallError, CompletionRequest, LogLevel, PromptGet, ResourceRead, ToolCall, sdk::rmcp,
};
use napi::{
    Status,
    bindgen_prelude::{FnArgs, Function},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Progress and log messages of one call that may wait. A client that reads too slowly misses some.
const NOTES: usize = 256;

/// What JavaScript calls for a request: its number and the request; for a cancelled one its number only.
pub(crate) type CallCallback<'a> = Function<'a, FnArgs<(u32, Option<NativeCall>)>, ()>;

struct Crossing {
    number: u32,
    call: Option<NativeCall>,
}

type WeakFunction = ThreadsafeFunction<Crossing, (), FnArgs<(u32, Option<NativeCall>)>, Status, false, true>;

/// Asks JavaScript. A cheap clone.
#[derive(Clone)]
pub(crate) struct Calls {
    function: Arc<WeakFunction>,
    next: Arc<AtomicU32>,
}

/// What is asked.
pub(crate) enum Request {
    Tool(ToolCall),
    /// With the URI of the definition.
    Resource(ResourceRead, String),
    /// With the template of the definition.
    Template(ResourceRead, String),
    Prompt(PromptGet),
    Completion(Box<CompletionRequest>),
}

impl Request {
    fn describe(&self) -> Value {
        match self {
            Self::Tool(call) => json!({ "kind": "tool", "name": call.name(), "arguments": call.arguments() }),
            Self::Resource(read, uri) => json!({ "kind": "resource", "name": uri, "uri": read.uri() }),
            Self::Template(read, template) => json!({
                "kind": "template", "name": template, "uri": read.uri(), "variables": read.variables(),
            }),
            Self::Prompt(get) => {
                json!({ "kind": "prompt", "name": get.name(), "arguments": get.arguments() })
            }
            Self::Completion(request) => {
                json!({ "kind": "completion", "name": "", "request": request.request() })
            }
        }
    }

    fn cancelled(&self) -> CancellationToken {
        match self {
            Self::Tool(call) => call.cancelled().clone(),
            Self::Resource(read, _) | Self::Template(read, _) => read.cancelled().clone(),
            Self::Prompt(get) => get.cancelled().clone(),
            // Answered at once, or not at all.
            Self::Completion(_) => CancellationToken::new(),
        }
    }
}

/// Said while a call runs.
enum Note {
    Progress { done: f64, total: Option<f64>, message: Option<String> },
    Log { level: LogLevel, logger: Option<String>, data: Value },
}

/// What JavaScript answers.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    /// The result.
    Ok(Value),
    /// What a model is to read.
    Failed(String),
    /// An error of the protocol.
    Rpc { code: i32, message: String, data: Option<Value> },
}

impl Calls {
    pub(crate) fn new(callback: &CallCallback<'_>) -> napi::Result<Self> {
        let function =
            callback.build_threadsafe_function::<Crossing>().weak::<true>().build_callback(|context| {
                let Crossing { number, call } = context.value;
                Ok(FnArgs::from((number, call)))
            })?;
        Ok(Self { function: Arc::new(function), next: Arc::default() })
    }

    fn cross(&self, number: u32, call: Option<NativeCall>) -> bool {
        self.function.call(Crossing { number, call }, ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok
    }

    /// Has JavaScript answer. The server bounds how many run at a time, and drops the future of a cancelled one a second
    /// later.
    pub(crate) async fn answer<T: DeserializeOwned>(self, request: Request) -> Result<T, CallError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (notes, mut noted) = mpsc::channel(NOTES);
        let (reply, mut answered) = oneshot::channel();
        let call = NativeCall { request: request.describe().to_string(), notes, reply: Some(reply) };
        if !self.cross(number, Some(call)) {
            return Err(CallError::new("the program that serves this has ended"));
        }
        let cancelled = request.cancelled();
        let mut told = false;
        let answer = loop {
            tokio::select! {
                biased;
                () = cancelled.cancelled(), if !told => {
                    told = true;
                    // A program that has ended needs not be told.
                    let _ = self.cross(number, None);
                }
                // Before the answer, so that what was said before it is sent before it.
                Some(note) = noted.recv() => say(&request, note).await,
                answer = &mut answered => break answer,
            }
        };
        let Ok(answer) = answer else {
            return Err(CallError::new("the handler gave no answer"));
        };
        match serde_json::from_str(&answer)? {
            Answer::Ok(result) => Ok(serde_json::from_value(result)?),
            Answer::Failed(message) => Err(CallError::new(message)),
            Answer::Rpc { code, message, data } => Err(CallError::protocol(code, message, data)),
        }
    }
}

async fn say(request: &Request, note: Note) {
    // Only tools have something to say before they answer.
    let Request::Tool(call) = request else { return };
    match note {
        Note::Progress { done, total, message } => call.progress(done, total, message.as_deref()).await,
        Note::Log { level, logger, data } => call.log(level, logger.as_deref(), data).await,
    }
}

/// A request that JavaScript is to answer.
#[napi]
pub struct NativeCall {
    request: String,
    notes: mpsc::Sender<Note>,
    reply: Option<oneshot::Sender<String>>,
}

#[napi]
impl NativeCall {
    /// What is asked, as JSON.
    #[napi(getter)]
    pub fn request(&self) -> String {
        self.request.clone()
    }

    /// Tells how far it is.
    #[napi(catch_unwind)]
    pub fn progress(&self, done: f64, total: Option<f64>, message: Option<String>) {
        // Full: the client reads too slowly, and misses a step. Closed: it is answered.
        let _ = self.notes.try_send(Note::Progress { done, total, message });
    }

    /// Writes a log message to the client.
    #[napi(catch_unwind)]
    pub fn log(&self, level: String, logger: Option<String>, data: String) {
        #[expect(deprecated, reason = "the SDK deprecates what the revisions before 2026-07-28 have")]
        let level = serde_json::from_value::<rmcp::model::LoggingLevel>(level.into());
        let (Ok(level), Ok(data)) = (level, serde_json::from_str(&data)) else { return };
        let _ = self.notes.try_send(Note::Log { level: level.into(), logger, data });
    }

    /// Answers, once.
    #[napi(catch_unwind)]
    pub fn answer(&mut self, answer: String) {
        if let Some(reply) = self.reply.take() {
            // The client has gone away meanwhile.
            let _ = reply.send(answer);
        }
    }
}
