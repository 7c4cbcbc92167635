//! Commands that use instances as an MCP client would: `tools`, `call`, `logs`, `stop`, `restart`, `wait`.

pub(crate) mod arguments;
pub(crate) mod call;
pub(crate) mod logs;
mod questions;
pub(crate) mod schema;
pub(crate) mod scripts;
pub(crate) mod tools;
pub(crate) mod wait;

use std::{future::Future, path::Path, sync::Arc, time::Duration};

use brummer_hub::{
    Hub, HubConfig,
    client::{Answer, Client, ClientConfig, ClientError, Incoming, Opening, Request},
    hub::Snapshot,
    instance::Instance,
};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json, value::RawValue};

use crate::{
    clean,
    config::Wanted,
    deep,
    exit::{ExitStatus, Failure},
    list, servers,
    signals::Signals,
};

/// What stands for the instance of the working directory.
const HERE: &str = ".";

/// How long the hub's own tools may take. A dev server that is busy answers after some seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the hub is told, and which servers are started for it.
pub(crate) type Setting = (HubConfig, Vec<Wanted>);

/// A hub of this command's own, and a client of it.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    hub: Arc<Hub>,
    client: Client,
}

impl Remote {
    /// Does something with a hub until it is done or a signal comes, and closes the hub in either case.
    pub(crate) async fn with<F>(
        (config, servers): Setting,
        capabilities: &Value,
        what: impl FnOnce(Remote, Incoming) -> F,
    ) -> Result<ExitStatus, Failure>
    where
        F: Future<Output = Result<ExitStatus, Failure>>,
    {
        let mut signals = Signals::listen()?;
        let hub = Hub::start(config);
        let _keeping = servers::keep(&servers::Surroundings::of(&hub), servers);
        let mut options = ClientConfig::default();
        options.session.auto_connect = false;
        options.session.working_directory = std::env::current_dir().ok();
        options.opening = Opening::Initialize {
            name: "brummer-hub".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: capabilities.to_string(),
        };
        let (client, incoming) = hub.client(options)?;
        let remote = Remote { hub: Arc::new(hub), client };
        let ended = tokio::select! {
            biased;
            signal = signals.next() => Ok(ExitStatus::Signalled(signal)),
            ended = what(remote.clone(), incoming) => ended,
        };
        // A request that was given up is cancelled on its way to the instance before anything is closed.
        let _ = remote.client.request(Request::new("ping", None)?.timeout(GOODBYE)).await;
        remote.client.close().await;
        remote.hub.stop().await;
        ended
    }

    /// The instances, once all have been tried.
    pub(crate) async fn settled(&self) -> Arc<Snapshot> {
        self.hub.settled().await
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The id of the instance that is meant: by id, alias, name or a unique beginning of one, or `.`.
    pub(crate) async fn find(&self, wanted: &str) -> Result<String, Failure> {
        let snapshot = self.settled().await;
        if wanted == HERE {
            let here = std::env::current_dir()?;
            return match &nearest(&snapshot, &here)[..] {
                [only] => Ok(only.id().to_string()),
                [] => Err(Failure::new("no instance belongs to the working directory").hint(hint(&snapshot))),
                several => {
                    let names: Vec<&str> = several.iter().map(|instance| &*instance.alias).collect();
                    let message =
                        format!("several instances belong to the working directory: {}", names.join(", "));
                    Err(Failure::new(message).hint("name one of them"))
                }
            };
        }
        let health = self.own_tool("instances_health", json!({ "instance_id": wanted })).await;
        let health = health.map_err(|failure| failure.hint(hint(&snapshot)))?;
        match health["instances"][0]["id"].as_str() {
            Some(id) => Ok(id.to_owned()),
            None => Err(Failure::new(format!("there is no instance `{wanted}`")).hint(hint(&snapshot))),
        }
    }

    /// The same, for somebody who may have typed something else in its place.
    pub(crate) async fn find_or(&self, wanted: &str, meant: &str) -> Result<String, Failure> {
        let found = self.find(wanted).await;
        let is_any = !self.settled().await.instances.is_empty();
        found.map_err(|failure| if is_any { failure.hint(format!("{meant}; {LIST}")) } else { failure })
    }

    /// The tools of an instance, as it describes them.
    pub(crate) async fn tools(&self, id: &str) -> Result<Vec<Tool>, Failure> {
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow, rename = "structuredContent")]
            content: Content<'a>,
        }
        #[derive(Deserialize)]
        struct Content<'a> {
            #[serde(borrow)]
            tools: Vec<&'a RawValue>,
        }
        let answer = self.own_answer("instances_tools", json!({ "instance_id": id })).await?;
        let answer: Answer<'_> = answer.read()?;
        Ok(answer.content.tools.into_iter().filter_map(Tool::of).collect())
    }

    /// Calls a tool of an instance that answers with structured content.
    pub(crate) async fn call(&self, id: &str, tool: &str, arguments: Value) -> Result<Value, Failure> {
        let request = Request::tool(Some(id), tool, Some(&arguments.to_string()))?;
        let answer = self.client.request(request).await.map_err(|error| failure(&error))?;
        let answer = deep::read(answer.text())?;
        if answer["isError"] == true {
            return Err(Failure::new(clean::block(&texts(&answer))).with_status(ExitStatus::Tool));
        }
        Ok(answer["structuredContent"].clone())
    }

    /// Calls a tool of the hub, and reads what it answers.
    async fn own_tool(&self, tool: &str, arguments: Value) -> Result<Value, Failure> {
        let answer = self.own_answer(tool, arguments).await?;
        Ok(deep::read(answer.text())?["structuredContent"].take())
    }

    /// Calls a tool of the hub.
    async fn own_answer(&self, tool: &str, arguments: Value) -> Result<Answer, Failure> {
        let request = Request::tool(None, tool, Some(&arguments.to_string()))?.timeout(PATIENCE);
        let answer = self.client.request(request).await.map_err(|error| failure(&error))?;
        answer.without_tool_error().map_err(|error| failure(&error).hint(LIST))
    }
}

/// A tool of an instance: what this program reads of it, and all of it as the instance wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) read: Map<String, Value>,
    text: Box<RawValue>,
}

impl Tool {
    /// None if it is no object.
    fn of(text: &RawValue) -> Option<Self> {
        match deep::read(text.get()) {
            Ok(Value::Object(read)) => Some(Self { read, text: text.to_owned() }),
            _ => None,
        }
    }
}

impl Serialize for Tool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Only what is not too deep is laid out.
        if deep::is_deep(self.text.get()) {
            self.text.serialize(serializer)
        } else {
            self.read.serialize(serializer)
        }
    }
}

/// How long the end of a command waits for a hub that is busy.
const GOODBYE: Duration = Duration::from_secs(1);

/// What to do when an instance is not found.
const LIST: &str = "`brummer-hub list` shows the instances";

/// The same, where there may be none.
fn hint(snapshot: &Snapshot) -> &'static str {
    if snapshot.instances.is_empty() { list::HOW_TO_ANNOUNCE } else { LIST }
}

/// The instances whose project directory is closest around this one.
pub(crate) fn nearest<'a>(snapshot: &'a Snapshot, directory: &Path) -> Vec<&'a Instance> {
    let real = directory.canonicalize();
    let depth = |instance: &Instance| {
        let path = &instance.found.doorbell.path;
        [Some(directory), real.as_deref().ok()]
            .into_iter()
            .flatten()
            .any(|directory| directory.starts_with(path))
            .then(|| path.components().count())
    };
    let of_projects = || snapshot.instances.iter().filter(|instance| !instance.found.everywhere);
    let best = of_projects().filter_map(depth).max();
    of_projects().filter(|instance| best.is_some() && depth(instance) == best).collect()
}

/// The text blocks of a result.
pub(crate) fn texts(result: &Value) -> String {
    let blocks = result["content"].as_array().into_iter().flatten();
    blocks.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// An error of a request in words for a person.
pub(crate) fn failure(error: &ClientError) -> Failure {
    let status = match error {
        ClientError::TimedOut => ExitStatus::TimedOut,
        _ => ExitStatus::Failure,
    };
    Failure::new(clean::block(&error.to_string())).with_status(status)
}
