//! What a listen asks for, and the resources that it is subscribed to.

use serde::{Deserialize, Serialize};

use super::list_kind::ListKind;

/// What a listen asks for; of the members only those that are there.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) tools_list_changed: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) prompts_list_changed: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) resources_list_changed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resource_subscriptions: Option<Vec<String>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Filter {
    /// Whether changes of this list are to be told.
    pub(super) const fn has(&self, kind: ListKind) -> bool {
        match kind {
            ListKind::Tools => self.tools_list_changed,
            ListKind::Prompts => self.prompts_list_changed,
            ListKind::Resources | ListKind::Templates => self.resources_list_changed,
            ListKind::Skills | ListKind::Tasks => false,
        }
    }
}

/// A resource of an instance that a listen is subscribed to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Watched {
    /// The URI as the client knows it.
    pub(super) listed: String,
    /// The instance, by its alias: a subscription outlives its restarts.
    pub(super) alias: Box<str>,
    /// The URI as the instance knows it.
    pub(super) original: Box<str>,
}
