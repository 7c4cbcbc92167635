//! Whose task a task is: requests about it name only its id.
//!
//! Ids are passed on as they are, since the specification wants them unguessable and hence unique. The table is
//! learnt from results and bounded; after a restart of the hub the instances are asked which of them knows the task.

use std::{collections::VecDeque, sync::LazyLock};

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::frame::Frame;

/// Tasks that are remembered; older ones are looked for.
const MAX_TASKS: usize = 1024;

/// Results that create a task are small; larger ones are not looked into.
const MAX_CREATION: usize = 64 * 1024;

/// The owners of tasks, latest last.
#[derive(Debug, Default)]
pub(super) struct Owners {
    aliases: VecDeque<(Box<str>, Box<str>)>,
}

impl Owners {
    /// Notes that a task belongs to the instance of this alias.
    pub(super) fn learn(&mut self, task: &str, alias: &str) {
        self.aliases.retain(|(known, _)| **known != *task);
        if self.aliases.len() >= MAX_TASKS {
            self.aliases.pop_front();
        }
        self.aliases.push_back((task.into(), alias.into()));
    }

    /// The alias of the instance that a task belongs to.
    pub(super) fn of(&self, task: &str) -> Option<&str> {
        self.aliases.iter().rev().find(|(known, _)| **known == *task).map(|(_, alias)| &**alias)
    }
}

/// The task that the answer to a call has created, in either form: `{"task":{"taskId":…}}` (2025-11-25, tasks) or
/// `{"resultType":"task","taskId":…}` (the extension of the later revisions).
pub(super) fn created(frame: &Frame) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Created {
        #[serde(default)]
        task: Option<Task>,
        #[serde(default)]
        task_id: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Task {
        task_id: String,
    }
    static NAME: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(br#""taskId""#));
    let text = frame.result().filter(|text| text.len() <= MAX_CREATION)?;
    NAME.find(text.as_bytes())?;
    let Created { task, task_id } = frame.peek_result()?;
    task.map(|task| task.task_id).or(task_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_created_task_are_seen() {
        let created = |result: &str| {
            super::created(&Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)).unwrap())
        };
        assert_eq!(created(r#"{"task":{"taskId":"a","status":"working"}}"#).as_deref(), Some("a"));
        assert_eq!(created(r#"{"resultType":"task","taskId":"b"}"#).as_deref(), Some("b"));
        assert_eq!(created(r#"{"content":[{"type":"text","text":"\"taskId\""}]}"#), None);
    }

    #[test]
    fn the_table_is_bounded_and_the_latest_owner_counts() {
        let mut owners = Owners::default();
        owners.learn("t", "web");
        owners.learn("t", "api");
        assert_eq!(owners.of("t"), Some("api"));
        for number in 0..MAX_TASKS {
            owners.learn(&number.to_string(), "web");
        }
        assert_eq!((owners.of("t"), owners.of("0")), (None, Some("web")));
    }
}
