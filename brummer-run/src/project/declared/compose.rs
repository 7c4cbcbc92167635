//! `compose.yaml`: the services. Docker Compose starts what they depend on, waits for health checks, restarts them and ends
//! them with their signal, as the file says. What is left to know here is how long that end may take.

use std::{collections::BTreeSet, path::Path, time::Duration};

use saphyr::{LoadableYamlNode as _, Yaml};

use super::{Declared, Source, is_name, text};

/// How long Docker lets a service take to end where the file does not say.
const GRACE: Duration = Duration::from_secs(10);

/// How long Docker Compose may take besides.
const MARGIN: Duration = Duration::from_secs(5);

/// Nobody waits for longer. Such a file means "never kill it".
const MAX_GRACE: Duration = Duration::from_secs(10 * 60);

pub(super) struct Compose;

impl Source for Compose {
    fn prefix(&self) -> &'static str {
        "compose"
    }

    fn commands(&self, directory: &Path) -> Result<Vec<Declared>, String> {
        let names = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
        let Some((file, text)) = text(directory, &names)? else { return Ok(Vec::new()) };
        let documents =
            Yaml::load_from_str(&text).map_err(|error| format!("{file} is not valid YAML: {error}"))?;
        let Some(services) = documents.first().and_then(|document| document.as_mapping_get("services"))
        else {
            return Ok(Vec::new());
        };
        let names = services.as_mapping().into_iter().flatten().filter_map(|(name, _)| name.as_str());
        let up = |name| {
            let command = Declared::new(file, name, "docker", ["compose", "up", "--no-log-prefix", name]);
            Declared { grace: Some(grace(services, name)), ..command }
        };
        Ok(names.filter(|name| is_name(name)).map(up).collect())
    }
}

/// How long a service may take to end, with all those that are started for it: they end one after the other, those that
/// others depend on last.
fn grace(services: &Yaml<'_>, name: &str) -> Duration {
    let mut known = BTreeSet::from([name]);
    let mut rest = vec![name];
    let mut whole = MARGIN;
    while let Some(name) = rest.pop() {
        let service = services.as_mapping_get(name);
        let declared = service.and_then(|service| service.as_mapping_get("stop_grace_period"));
        whole += declared.and_then(|declared| duration(declared.as_str()?)).unwrap_or(GRACE);
        let dependencies = service.and_then(|service| service.as_mapping_get("depends_on"));
        rest.extend(
            dependencies.map(names).unwrap_or_default().into_iter().filter(|name| known.insert(name)),
        );
    }
    whole.min(MAX_GRACE)
}

/// The names in a list, or those that have something said of them.
fn names<'a>(yaml: &'a Yaml<'_>) -> Vec<&'a str> {
    let listed = yaml.as_sequence().into_iter().flatten().filter_map(|name| name.as_str());
    let described = yaml.as_mapping().into_iter().flatten().filter_map(|(name, _)| name.as_str());
    listed.chain(described).collect()
}

/// A duration as Compose writes it: `1m30s`, `500ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut whole = Duration::ZERO;
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(unit);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let seconds = match unit {
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        whole = whole.checked_add(part)?;
        rest = after;
    }
    (!text.trim().is_empty()).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_compose_writes_them() {
        for (text, seconds) in
            [("10s", 10.0), ("1m30s", 90.0), ("500ms", 0.5), ("1.5h", 5400.0), (" 2m ", 120.0), ("0s", 0.0)]
        {
            assert_eq!(duration(text), Some(Duration::from_secs_f64(seconds)), "{text:?}");
        }
        for text in ["", "10", "s", "1x", "-1s", "1e9h", "1..2s"] {
            assert_eq!(duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_started_for_a_service_ends_with_it() {
        let file = "services:
  web: { depends_on: [api, cache] }
  api:
    stop_grace_period: 1m
    depends_on:
      db: { condition: service_healthy, restart: true }
  db: { stop_grace_period: 90s, depends_on: [api] }
  cache: { stop_grace_period: 2s }
  eternal: { stop_grace_period: 999h }
  odd: { stop_grace_period: soon, depends_on: nothing }\n";
        let documents = Yaml::load_from_str(file).unwrap();
        let services = documents[0].as_mapping_get("services").unwrap();
        for (name, seconds) in
            [("web", 167), ("api", 155), ("db", 155), ("cache", 7), ("eternal", 600), ("odd", 15)]
        {
            assert_eq!(grace(services, name), Duration::from_secs(seconds), "{name}");
        }
    }
}
