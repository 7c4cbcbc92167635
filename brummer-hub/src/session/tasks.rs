//! Whose task a task is: requests about it name only its id.
//!
//! Ids are passed on as they are, since the specification wants them unguessable and hence unique. The table is
//! learnt from results and bounded; after a restart of the hub the instances are asked which of them knows the task.

use std::{collections::VecDeque, sync::LazyLock};

use memchr::memmem::Finder;
use serde::Deserialize;

use super::{client::ReplyTo, jobs::Done, links::Shape, task::SessionTask};
use crate::{
    frame::Frame,
    instance::Instance,
    protocol::{code, method},
};

/// Tasks that are remembered; older ones are looked for.
const MAX_TASKS: usize = 1024;

/// Results that create a task are small; larger ones are not looked into.
const MAX_CREATION: usize = 64 * 1024;

/// The owners of tasks, latest last.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    owners: VecDeque<(Box<str>, Box<str>)>,
}

impl Tasks {
    /// Notes that a task belongs to the instance of this alias.
    pub(super) fn learn(&mut self, id: &str, alias: &str) {
        self.owners.retain(|(known, _)| **known != *id);
        if self.owners.len() >= MAX_TASKS {
            self.owners.pop_front();
        }
        self.owners.push_back((id.into(), alias.into()));
    }

    fn owner(&self, id: &str) -> Option<&str> {
        self.owners.iter().rev().find(|(known, _)| **known == *id).map(|(_, alias)| &**alias)
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
    let text = frame.result().filter(|text| text.len() <= MAX_CREATION)?;
    static NAME: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(br#""taskId""#));
    NAME.find(text.as_bytes())?;
    let Created { task, task_id } = frame.peek_result()?;
    task.map(|task| task.task_id).or(task_id)
}

#[derive(Deserialize)]
struct About {
    #[serde(rename = "taskId")]
    task: String,
}

impl SessionTask {
    /// A request about a task: to its instance, or to the one that is connected, or to whoever knows it.
    pub(super) fn route_task(&mut self, frame: &Frame, to: &ReplyTo) {
        let Some(About { task }) = frame.peek() else {
            return self.answer_error(to, code::INVALID_PARAMS, "the request needs the `taskId` of a task");
        };
        let owner = self.tasks.owner(&task).and_then(|alias| self.by_alias(alias));
        let target = || self.target.instance().filter(|_| !self.shows_all_to(to)).cloned();
        if let Some(instance) = owner.or_else(target) {
            return self.forward(&instance, frame, to, Shape::Raw, None);
        }
        let instances: Vec<Instance> = self.snapshot.active().cloned().collect();
        let (asking, to, frame) = (self.asking(to.caller()), to.clone(), frame.clone());
        let params = serde_json::json!({ "taskId": task }).to_string();
        self.start_job(&to.clone(), async move {
            for instance in instances {
                let answer = asking.request(&instance, method::TASKS_GET, params.clone()).await;
                if answer.is_ok_and(|answer| answer.result().is_some()) {
                    return Done::Owned { to, frame, owner: Some(Box::new(instance)) };
                }
            }
            Done::Owned { to, frame, owner: None }
        });
    }

    /// The instances have been asked.
    pub(super) fn on_task_owner(&mut self, frame: &Frame, to: &ReplyTo, owner: Option<&Instance>) {
        match (owner, frame.peek()) {
            (Some(instance), Some(About { task })) => {
                self.tasks.learn(&task, &instance.alias);
                self.forward(instance, frame, to, Shape::Raw, None);
            }
            _ => self.answer_error(to, code::INVALID_PARAMS, "no running instance knows this task"),
        }
    }
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
        let mut tasks = Tasks::default();
        tasks.learn("t", "web");
        tasks.learn("t", "api");
        assert_eq!(tasks.owner("t"), Some("api"));
        for number in 0..MAX_TASKS {
            tasks.learn(&number.to_string(), "web");
        }
        assert_eq!((tasks.owner("t"), tasks.owner("0")), (None, Some("web")));
    }
}
