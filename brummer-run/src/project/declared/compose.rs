//! `compose.yaml`: the services. Docker Compose starts what they depend on, waits for health checks, and restarts them as the
//! file says.

use std::path::Path;

use saphyr::{LoadableYamlNode as _, Yaml};

use super::{Declared, Source, is_name, text};

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
        let services = documents.first().and_then(|document| document.as_mapping_get("services"));
        let services = services.and_then(|services| services.as_mapping()).into_iter().flatten();
        let names = services.filter_map(|(name, _)| name.as_str()).filter(|name| is_name(name));
        let up = |name| Declared::new(file, name, "docker", ["compose", "up", "--no-log-prefix", name]);
        Ok(names.map(up).collect())
    }
}
