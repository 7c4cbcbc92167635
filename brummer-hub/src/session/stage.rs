//! What is on stage for a caller: the instances that it is shown, and under which names.

use super::{ToolsMode, catalog::Naming, list_kind::ListKind, peer::Caller, target::Target};
use crate::{
    hub::Snapshot,
    instance::{Generation, Instance},
};

/// What decides on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage<'a> {
    pub(super) mode: ToolsMode,
    pub(super) name_budget: usize,
    /// Tools that the client takes, those of the hub among them.
    pub(super) max_tools: Option<usize>,
    pub(super) target: &'a Target,
    pub(super) snapshot: &'a Snapshot,
}

impl<'a> Stage<'a> {
    /// The instances that a caller is shown. What a client without a handshake is shown must not depend on what it has done
    /// before (2026-07-28, tools § Capabilities), so it is shown all.
    pub(super) fn instances(&self, caller: Caller) -> Vec<&'a Instance> {
        match self.naming(caller) {
            Naming::Own => self.target.connected().iter().collect(),
            Naming::Prefixed { .. } => self.snapshot.active().collect(),
        }
    }

    /// The instances of whose lists of this kind a caller is shown something.
    pub(super) fn listed(&self, caller: Caller, kind: ListKind) -> Vec<&'a Instance> {
        if kind == ListKind::Tools && self.mode == ToolsMode::Hub {
            Vec::new()
        } else {
            self.instances(caller)
        }
    }

    /// How the tools and prompts of those are listed.
    pub(super) const fn naming(&self, caller: Caller) -> Naming {
        match (self.mode, caller) {
            (ToolsMode::Connected | ToolsMode::Hub, Caller::Greeted) => Naming::Own,
            _ => Naming::Prefixed { budget: self.name_budget },
        }
    }

    /// A life of an instance, if it is not over.
    pub(super) fn instance(&self, generation: Generation) -> Option<&'a Instance> {
        self.snapshot.instances.iter().find(|instance| instance.generation == generation)
    }
}
