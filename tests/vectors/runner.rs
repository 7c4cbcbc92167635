//! Runs the shared cases of `tests/vectors` on one surface. The README there says what the members mean.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::{Home, PATIENCE, Stage, repository};

/// Between two looks at a list that is not yet as expected. Surfaces have no event in common that says so: some look once, as `list`.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug, Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    servers: Vec<String>,
    #[serde(default)]
    announced: Vec<String>,
    only: Option<Vec<String>>,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    #[serde(flatten)]
    action: Action,
    #[serde(default)]
    expect: Expected,
}

/// What a surface is asked to do.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub(crate) enum Action {
    List,
    Call {
        instance: Option<String>,
        tool: String,
        arguments: Option<Value>,
        arguments_text: Option<String>,
        timeout_ms: Option<u32>,
    },
    Request {
        method: String,
        params: Option<Value>,
        params_text: Option<String>,
        timeout_ms: Option<u32>,
    },
    Connect {
        instance: String,
    },
    Disconnect,
    Register {
        server: String,
    },
    Unregister,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    status: Option<String>,
    code: Option<i64>,
    message: Option<String>,
    #[serde(default)]
    value: BTreeMap<String, Value>,
}

/// How an action ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(Value),
    Failed { status: String, code: i64, message: String },
}

impl Expected {
    /// What is not as expected.
    fn differs(&self, outcome: &Outcome) -> Option<String> {
        let wanted = self.status.as_deref().unwrap_or("OK");
        let (status, code, message) = match outcome {
            Outcome::Done(_) => ("OK", 0, ""),
            Outcome::Failed { status, code, message } => (status.as_str(), *code, message.as_str()),
        };
        if status != wanted {
            return Some(format!("{status} instead of {wanted}: {outcome:?}"));
        }
        if self.code.is_some_and(|wanted| wanted != code) {
            return Some(format!("code {code} instead of {:?}", self.code));
        }
        if let Some(wanted) = &self.message
            && !message.contains(wanted.as_str())
        {
            return Some(format!("`{message}` does not contain `{wanted}`"));
        }
        let Outcome::Done(value) = outcome else { return None };
        self.value.iter().find_map(|(pointer, wanted)| {
            let found = value.pointer(pointer).unwrap_or(&Value::Null);
            (found != wanted).then(|| format!("{pointer} is {found} instead of {wanted} in {value}"))
        })
    }
}

/// What a case runs in.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) home: Home,
    servers: BTreeMap<String, Stage>,
}

impl World {
    /// The port of one of the case's servers.
    pub(crate) fn port(&self, server: &str) -> u16 {
        self.servers[server].port
    }
}

/// One surface, with a hub and a session.
pub(crate) trait Surface {
    /// What cases call it.
    const NAME: &'static str;

    async fn start(world: &World) -> Self;

    async fn perform(&mut self, world: &World, action: &Action) -> Outcome;

    /// Ends it, and sees that it ends well.
    async fn end(self);
}

/// Runs every case that the surface can do.
pub(crate) async fn run<S: Surface>() {
    let mut many = 0;
    for path in files(&repository().join("tests/vectors")) {
        let text = fs::read_to_string(&path).unwrap();
        let file: File =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for case in file.cases {
            if case.only.as_ref().is_none_or(|only| only.iter().any(|it| it == S::NAME)) {
                run_case::<S>(case).await;
                many += 1;
            }
        }
    }
    assert!(many >= 8, "only {many} cases were found");
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    files
}

async fn run_case<S: Surface>(case: Case) {
    let mut world = World { home: Home::new(), servers: BTreeMap::new() };
    for name in &case.servers {
        world.servers.insert(name.clone(), Stage::start().await);
    }
    for name in &case.announced {
        world.home.announce(name, world.port(name));
    }
    let mut surface = S::start(&world).await;
    for (number, step) in case.steps.iter().enumerate() {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let outcome = surface.perform(&world, &step.action).await;
            let Some(difference) = step.expect.differs(&outcome) else { break };
            let again = matches!(step.action, Action::List) && tokio::time::Instant::now() < until;
            assert!(again, "{}, `{}`, step {}: {difference}", S::NAME, case.name, number + 1);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
    surface.end().await;
}
