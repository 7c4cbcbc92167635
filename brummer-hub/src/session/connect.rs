//! Which instance the session is connected to: by request, by itself, and over restarts.

use std::{path::PathBuf, sync::Arc};

use serde::Deserialize;

use super::{
    client::{Caller, Phase},
    jobs::Done,
    task::SessionTask,
};
use crate::{
    frame::{Frame, Parts},
    hub::Snapshot,
    instance::{Generation, Instance, InstanceState},
    protocol::method,
    upstream::{ExchangeError, ExchangeReason, LinkId, Sent},
};

/// The instance that the session is connected to.
#[derive(Debug)]
pub(super) struct Target {
    state: TargetState,
    /// Whether the session may connect itself: not once the client has said what it wants.
    auto: bool,
    /// Directories that the client works in, by its `roots/list`.
    roots: Vec<PathBuf>,
    /// Whether it was asked for them since they last changed.
    asked: bool,
}

#[derive(Debug)]
enum TargetState {
    None,
    Connected(Instance),
    /// The instance is gone; when it comes back, the session follows it.
    Waiting(Instance),
}

impl Target {
    pub(super) fn new(auto: bool) -> Self {
        Self { state: TargetState::None, auto, roots: Vec::new(), asked: false }
    }

    /// The instance connected to, if it is there.
    pub(super) fn instance(&self) -> Option<&Instance> {
        match &self.state {
            TargetState::Connected(instance) => Some(instance),
            TargetState::None | TargetState::Waiting(_) => None,
        }
    }

    /// The instance that would be connected to, were it there.
    pub(super) fn missing(&self) -> Option<&Instance> {
        match &self.state {
            TargetState::Waiting(instance) => Some(instance),
            TargetState::None | TargetState::Connected(_) => None,
        }
    }
}

impl SessionTask {
    /// The hub's list has changed: follow restarts, connect what should be, tell the client.
    pub(super) fn on_snapshot(&mut self) {
        let new = self.latest_snapshot();
        let old = std::mem::replace(&mut self.snapshot, Arc::clone(&new));
        self.drop_links_of_the_dead();
        let moved = self.moves(Self::follow);
        let active = |snapshot: &Snapshot| {
            snapshot.active().map(|it| (it.generation, it.alias.clone())).collect::<Vec<_>>()
        };
        if active(&old) != active(&new) {
            if self.shows_all() {
                self.lists_changed();
            }
            self.tell_listens();
        }
        if listing(&old) != listing(&new) {
            self.instances_changed();
        } else if moved {
            self.connection_changed();
        }
        if new.settled {
            self.settle();
        }
    }

    fn drop_links_of_the_dead(&mut self) {
        let gone: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| {
                !self.snapshot.instances.iter().any(|it| it.generation == link.instance.generation)
            })
            .map(|(id, _)| id)
            .collect();
        for link in gone {
            self.close_link(link, &ExchangeError { sent: Sent::Unknown, reason: ExchangeReason::Gone });
        }
    }

    /// Keeps the target true: the instance it names, its successor, or the one that suits by itself.
    fn follow(&mut self) {
        match &self.target.state {
            TargetState::Connected(instance) => {
                let same = self.snapshot.instances.iter().find(|it| it.generation == instance.generation);
                if let Some(same) = same {
                    self.target.state = TargetState::Connected(same.clone());
                    return;
                }
                let former = instance.clone();
                match self.successor(&former) {
                    Some(successor) => self.connect(&successor),
                    None => {
                        self.target.state = TargetState::Waiting(former);
                        self.lists_changed();
                    }
                }
            }
            TargetState::Waiting(former) => {
                let former = former.clone();
                if let Some(successor) = self.successor(&former) {
                    self.connect(&successor);
                }
            }
            TargetState::None => self.auto_connect(),
        }
    }

    fn successor(&self, former: &Instance) -> Option<Instance> {
        self.snapshot.successor(former).filter(|it| it.state == InstanceState::Active).cloned()
    }

    fn auto_connect(&mut self) {
        if !self.target.auto || self.shows_all() {
            return;
        }
        if let Some(instance) = self.suggested().filter(|it| it.state == InstanceState::Active) {
            let instance = instance.clone();
            tracing::debug!(alias = %instance.alias, "connected by directory");
            self.connect(&instance);
        } else {
            self.ask_for_roots();
        }
    }

    /// The instance that the client's directories point to, if they point to exactly one.
    pub(super) fn suggested(&self) -> Option<&Instance> {
        let directories = self.config.working_directory.iter().chain(&self.target.roots);
        directories.filter_map(|directory| self.snapshot.nearest(directory)).next()
    }

    /// The instance that a tool means when the client names none: the connected one, the only one, or the suggested.
    pub(super) fn default_instance(&self) -> Option<&Instance> {
        if let Some(instance) = self.target.instance() {
            return self.snapshot.instances.iter().find(|it| it.generation == instance.generation);
        }
        if let [only] = self.snapshot.instances.as_slice() {
            return Some(only);
        }
        self.suggested()
    }

    /// Connects the session. The link stays open from now on.
    fn connect(&mut self, instance: &Instance) {
        if let TargetState::Connected(current) = &self.target.state
            && current.generation == instance.generation
        {
            return;
        }
        self.leave(Some(instance));
        self.target.state = TargetState::Connected(instance.clone());
        self.open_target();
        self.lists_changed();
    }

    /// Opens the link to the target, once it is known as whom: the instance must see the client's own capabilities.
    fn open_target(&mut self) {
        if self.phase.identity().is_some()
            && let Some(instance) = self.target.instance().cloned()
        {
            self.link_to(&instance, Caller::Greeted);
        }
    }

    /// The client has said who it is. Links that were opened without that do not count any more.
    pub(super) fn reopen_links(&mut self) {
        self.close_links_of(Caller::Greeted);
        self.open_target();
    }

    /// Closes the links that were opened on behalf of a caller.
    pub(super) fn close_links_of(&mut self, caller: Caller) {
        let theirs = self.links.iter().filter(|(_, link)| link.caller == caller);
        let theirs: Vec<LinkId> = theirs.map(|(id, _)| id).collect();
        for link in theirs {
            self.close_link(link, &ExchangeError { sent: Sent::Unknown, reason: ExchangeReason::Closed });
        }
    }

    /// The client chose for itself.
    pub(super) fn connect_by_choice(&mut self, instance: &Instance) {
        self.target.auto = false;
        if self.moves(|task| task.connect(instance)) {
            self.connection_changed();
        }
    }

    /// Whether a change has given the session another target, or none: the list of instances shows which is connected.
    fn moves(&mut self, change: impl FnOnce(&mut Self)) -> bool {
        let generation = |task: &Self| task.target.instance().map(|it| it.generation);
        let before = generation(self);
        change(self);
        before != generation(self)
    }

    /// Disconnects the session, for good. Says from what.
    pub(super) fn disconnect(&mut self) -> Option<Instance> {
        self.target.auto = false;
        let mut former = None;
        if self.moves(|task| former = task.leave(None)) {
            self.connection_changed();
        }
        if former.is_some() {
            self.lists_changed();
        }
        former
    }

    /// Forgets the target. What the client was subscribed to there ends with it, unless the next one is the same
    /// project, which keeps its alias.
    fn leave(&mut self, next: Option<&Instance>) -> Option<Instance> {
        let (TargetState::Connected(former) | TargetState::Waiting(former)) =
            std::mem::replace(&mut self.target.state, TargetState::None)
        else {
            return None;
        };
        if !self.shows_all() && next.is_none_or(|next| next.alias != former.alias) {
            self.unsubscribe_all(&former);
        }
        Some(former)
    }

    /// Asks the client for its directories, once they can decide what to connect to.
    pub(super) fn ask_for_roots(&mut self) {
        let undecided =
            matches!(self.target.state, TargetState::None) && self.target.auto && !self.shows_all();
        let Phase::Ready(identity) = &self.phase else { return };
        if undecided && identity.has_roots && !self.target.asked && self.snapshot.active().next().is_some() {
            self.target.asked = true;
            let id = self.questions.ask_for_roots();
            self.emit(Parts::whole(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"{}"}}"#,
                method::ROOTS_LIST
            )));
        }
    }

    /// The client works in other directories than it said.
    pub(super) fn roots_changed(&mut self) {
        self.target.asked = false;
        self.ask_for_roots();
    }

    /// The client's answer to that.
    pub(super) fn on_roots(&mut self, answer: &Frame) {
        #[derive(Deserialize)]
        struct Answer {
            roots: Vec<Root>,
        }
        #[derive(Deserialize)]
        struct Root {
            uri: String,
        }
        let Some(answer) = answer.peek_result::<Answer>() else { return };
        let roots: Vec<_> =
            answer.roots.iter().take(MAX_ROOTS).filter_map(|root| file_path(&root.uri)).collect();
        // Links are resolved as they are for instances, off the runtime. A directory that is not there stays as it is.
        self.start_task(async move {
            let given = roots.clone();
            let resolve = move || {
                roots.iter().map(|root| root.canonicalize().unwrap_or_else(|_| root.clone())).collect()
            };
            Done::Roots(tokio::task::spawn_blocking(resolve).await.unwrap_or(given))
        });
    }

    pub(super) fn set_roots(&mut self, roots: Vec<PathBuf>) {
        self.target.roots = roots;
        if self.moves(Self::follow) {
            self.connection_changed();
        }
    }
}

/// Directories of a client that are looked at.
const MAX_ROOTS: usize = 64;

/// The path that a `file:` URI names on this machine (RFC 8089).
fn file_path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let path = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
    if !path.starts_with('/') {
        return None;
    }
    // `/C:/dir` is how a drive is written in a URI.
    let drive = path.as_bytes().get(2) == Some(&b':') && path.as_bytes()[1].is_ascii_alphabetic();
    Some(PathBuf::from(if drive { &path[1..] } else { &path }))
}

/// What of a snapshot `brummer://instances` shows.
fn listing(snapshot: &Snapshot) -> Vec<(Generation, InstanceState, Arc<str>)> {
    snapshot.instances.iter().map(|it| (it.generation, it.state, Arc::clone(&it.alias))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_uris_become_paths() {
        assert_eq!(file_path("file:///home/a%20b"), Some("/home/a b".into()));
        assert_eq!(file_path("file://localhost/x"), Some("/x".into()));
        assert_eq!(file_path("file:///C:/x"), Some("C:/x".into()));
        assert_eq!(file_path("file://server/x"), None);
        assert_eq!(file_path("https://example.org/"), None);
        assert_eq!(file_path("file:///%ff"), None);
    }
}
