//! Labels of instances, and what selects by them.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::terminal::clean_line;

/// Longest selector in bytes.
const MAX_BYTES: usize = 512;

/// Selects instances by a label: `NAME=VALUE`, or `NAME` alone, which means a label of that name or of that value.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use brummer_hub::labels::LabelSelector;
///
/// let labels = BTreeMap::from([("tier".to_owned(), "frontend".to_owned())]);
/// let fits = |text: &str| text.parse::<LabelSelector>().unwrap().fits(&labels);
/// assert!(fits("tier=frontend") && fits("tier") && fits("frontend"));
/// assert!(!fits("tier=backend") && !fits("backend"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LabelSelector {
    name: String,
    value: Option<String>,
}

impl LabelSelector {
    /// Whether one of these labels is meant.
    #[must_use]
    pub fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        match &self.value {
            Some(value) => labels.get(&self.name) == Some(value),
            None => labels.iter().any(|(name, value)| *name == self.name || *value == self.name),
        }
    }
}

impl FromStr for LabelSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        if name.trim().is_empty() || text.len() > MAX_BYTES {
            return Err(format!("`{}` is not a label; write NAME or NAME=VALUE", clean_line(text)));
        }
        Ok(Self { name: name.trim().to_owned(), value: value.map(|value| value.trim().to_owned()) })
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.value.as_ref().map_or(Ok(()), |value| write!(f, "={value}"))
    }
}

/// Labels as they are written.
pub(crate) fn labels_of(labels: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    labels.iter().map(|(name, value)| format!("{name}={value}"))
}
