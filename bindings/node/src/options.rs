//! The options of JavaScript, as the library's.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use brummer_hub::{
    HubConfig, InstanceServer,
    discovery::Directories,
    doorbell::{InstanceId, Secret},
    registration::RegistrationOptions,
    serve::{InstanceServerBuilder, ServerLimits},
    session::{SessionConfig, ToolsMode},
};
use serde::Deserialize;

use crate::emit::{code, thrown};

type Result<T> = std::result::Result<T, napi::Error<String>>;

/// Reads options. JavaScript has checked them; what is wrong still is told in words.
pub(crate) fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| thrown(code::INVALID_ARGUMENT, error))
}

/// A time in milliseconds.
#[derive(Clone, Copy, Deserialize)]
#[serde(transparent)]
struct Milliseconds(u64);

impl From<Milliseconds> for Duration {
    fn from(milliseconds: Milliseconds) -> Self {
        Self::from_millis(milliseconds.0)
    }
}

fn set<T>(to: &mut T, value: Option<impl Into<T>>) {
    if let Some(value) = value {
        *to = value.into();
    }
}

fn directories(data: Option<PathBuf>) -> Directories {
    data.map_or_else(Directories::from_env, Directories::only)
}

/// `Hub.start`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HubOptions {
    data_dir: Option<PathBuf>,
    call_timeout: Option<Milliseconds>,
    connect_timeout: Option<Milliseconds>,
    initialize_timeout: Option<Milliseconds>,
    ping_interval: Option<Milliseconds>,
    give_up_after: Option<Milliseconds>,
    max_message_bytes: Option<usize>,
    max_instances: Option<usize>,
}

impl From<HubOptions> for HubConfig {
    fn from(options: HubOptions) -> Self {
        let mut config = Self::default();
        config.directories = directories(options.data_dir);
        set(&mut config.limits.call_timeout, options.call_timeout);
        set(&mut config.limits.connect_timeout, options.connect_timeout);
        set(&mut config.limits.initialize_timeout, options.initialize_timeout);
        set(&mut config.limits.max_message_bytes, options.max_message_bytes);
        set(&mut config.health.ping_interval, options.ping_interval);
        set(&mut config.health.give_up_after, options.give_up_after);
        set(&mut config.max_instances, options.max_instances);
        config
    }
}

/// A session.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SessionOptions {
    tools: Option<String>,
    name_budget: Option<usize>,
    auto_connect: Option<bool>,
    tells_models: Option<bool>,
    working_directory: Option<PathBuf>,
}

impl SessionOptions {
    pub(crate) fn into_config(self) -> Result<SessionConfig> {
        let mut config = SessionConfig::default();
        if let Some(tools) = self.tools {
            let mode: std::result::Result<ToolsMode, String> = tools.parse();
            config.tools = Some(mode.map_err(|error| thrown(code::INVALID_ARGUMENT, error))?);
        }
        config.name_budget = self.name_budget;
        set(&mut config.auto_connect, self.auto_connect);
        set(&mut config.tells_models, self.tells_models);
        config.working_directory = self.working_directory;
        Ok(config)
    }
}

/// Bounds of an instance server.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LimitOptions {
    max_body_bytes: Option<usize>,
    max_requests: Option<usize>,
    max_sessions: Option<usize>,
    session_idle: Option<Milliseconds>,
    grace: Option<Milliseconds>,
}

impl From<LimitOptions> for ServerLimits {
    fn from(options: LimitOptions) -> Self {
        let mut limits = Self::default();
        set(&mut limits.max_body_bytes, options.max_body_bytes);
        set(&mut limits.max_requests, options.max_requests);
        set(&mut limits.max_sessions, options.max_sessions);
        set(&mut limits.session_idle, options.session_idle);
        set(&mut limits.grace, options.grace);
        limits
    }
}

fn secret(option: &str, text: &str) -> Result<Secret> {
    Secret::new(text).map_err(|error| thrown(code::INVALID_ARGUMENT, format_args!("`{option}`: {error}")))
}

/// What is announced of an instance.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Announced {
    /// 0 for a server that has yet to choose one.
    port: u16,
    id: Option<String>,
    pid: Option<u32>,
    path: Option<PathBuf>,
    name: Option<String>,
    endpoint: Option<String>,
    version: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    token: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    data_dir: Option<PathBuf>,
}

impl Announced {
    pub(crate) fn into_options(self) -> Result<RegistrationOptions> {
        let mut options = RegistrationOptions::new(self.port);
        let id = self.id.as_deref().map(str::parse::<InstanceId>).transpose();
        options.id = id.map_err(|error| thrown(code::INVALID_ARGUMENT, format_args!("`id`: {error}")))?;
        options.pid = self.pid;
        options.path = self.path;
        options.name = self.name;
        options.endpoint = self.endpoint;
        options.version = self.version;
        options.labels = self.labels;
        options.token = self.token.as_deref().map(|token| secret("token", token)).transpose()?;
        for (name, value) in self.headers {
            let value = secret("headers", &value)?;
            options.headers.insert(name.to_ascii_lowercase(), value);
        }
        options.directories = directories(self.data_dir);
        Ok(options)
    }
}

/// An instance that is announced so.
pub(crate) fn announcing(announced: RegistrationOptions) -> InstanceServerBuilder {
    let mut builder = InstanceServer::builder()
        .port(announced.port)
        .labels(announced.labels)
        .directories(announced.directories);
    if let Some(id) = announced.id {
        builder = builder.id(id);
    }
    if let Some(path) = announced.path {
        builder = builder.path(path);
    }
    if let Some(name) = announced.name {
        builder = builder.name(name);
    }
    if let Some(version) = announced.version {
        builder = builder.version(version);
    }
    builder
}
