//! The lists of MCP.

use crate::protocol::method;

/// Which list.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum ListKind {
    Tools,
    Prompts,
    Resources,
    Templates,
    /// Skills, of the extension that has them. Nobody is told of their changes.
    Skills,
    /// Tasks of 2025-11-25, where a list of them is part of the revision.
    Tasks,
}

impl ListKind {
    /// The lists whose changes a client can be told of.
    pub(super) const WATCHED: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    pub(super) fn of_method(name: &str) -> Option<Self> {
        match name {
            method::TOOLS_LIST => Some(Self::Tools),
            method::PROMPTS_LIST => Some(Self::Prompts),
            method::RESOURCES_LIST => Some(Self::Resources),
            method::RESOURCES_TEMPLATES_LIST => Some(Self::Templates),
            method::SKILLS_LIST => Some(Self::Skills),
            method::TASKS_LIST => Some(Self::Tasks),
            _ => None,
        }
    }

    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Tools => method::TOOLS_LIST,
            Self::Prompts => method::PROMPTS_LIST,
            Self::Resources => method::RESOURCES_LIST,
            Self::Templates => method::RESOURCES_TEMPLATES_LIST,
            Self::Skills => method::SKILLS_LIST,
            Self::Tasks => method::TASKS_LIST,
        }
    }

    /// The notification that tells that it has changed. Templates have none of their own, and skills and tasks none at all.
    pub(super) const fn changed(self) -> &'static str {
        match self {
            Self::Tools => method::TOOLS_LIST_CHANGED,
            Self::Prompts => method::PROMPTS_LIST_CHANGED,
            Self::Resources | Self::Templates | Self::Skills | Self::Tasks => method::RESOURCES_LIST_CHANGED,
        }
    }

    /// The lists that such a notification is about.
    pub(super) fn of_change(name: &str) -> &'static [Self] {
        match name {
            method::TOOLS_LIST_CHANGED => &[Self::Tools],
            method::PROMPTS_LIST_CHANGED => &[Self::Prompts],
            method::RESOURCES_LIST_CHANGED => &[Self::Resources, Self::Templates],
            _ => &[],
        }
    }

    /// The member of the result that holds the items.
    pub(super) const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Skills => "skills",
            Self::Tasks => "tasks",
        }
    }
}
