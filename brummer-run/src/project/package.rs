//! Reads `package.json`.

use std::path::Path;

use serde_json::{Map, Value};

use super::{MAX_PACKAGE_BYTES, ProjectError};

/// The `package.json` of a directory. Blocking.
pub(super) fn read(directory: &Path) -> Result<Map<String, Value>, ProjectError> {
    let path = directory.join("package.json");
    match super::text(&path, MAX_PACKAGE_BYTES + 1) {
        Ok(text) if text.len() as u64 > MAX_PACKAGE_BYTES => {
            let why = format!("it is larger than {} MiB", MAX_PACKAGE_BYTES / (1024 * 1024));
            Err(ProjectError::Invalid { path, why })
        }
        // Some editors on Windows write a byte order mark.
        Ok(text) => match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
            Ok(Value::Object(package)) => Ok(package),
            Ok(_) => Err(ProjectError::Invalid { path, why: "it is not a JSON object".to_owned() }),
            Err(error) => Err(ProjectError::Invalid { path, why: error.to_string() }),
        },
        Err(_) if !directory.is_dir() => Err(ProjectError::Gone(directory.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(ProjectError::NoPackage(directory.to_owned()))
        }
        Err(source) => Err(ProjectError::Read { path, source }),
    }
}
