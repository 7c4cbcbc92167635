//! What a person says of instances, beside what these say of themselves: names, labels, which tools are shown, and which
//! instances are there for every project.
//!
//! A [`Policy`] is applied to what was found before anything else sees it, so that each part of the hub knows an instance
//! under one name only. Rules narrow: what one hides, no other shows.

pub(crate) mod tools;

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

pub use self::tools::{Glob, InvalidGlob, ToolFilter};
use crate::{
    discovery::Found,
    doorbell::{Doorbell, InstanceId},
};

/// What is said of some instances.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceRule {
    /// It is about those whose name or id fits this.
    pub called: Glob,
    /// And whose project is one of these directories or below one; anywhere when there are none.
    pub within: Vec<PathBuf>,
    /// What they are called instead.
    pub name: Option<String>,
    /// Labels, beside those that they have.
    pub labels: BTreeMap<String, String>,
    /// Which of their tools are shown.
    pub tools: ToolFilter,
}

impl InstanceRule {
    /// A rule that says nothing yet.
    #[must_use]
    pub fn new(called: Glob) -> Self {
        Self { called, within: Vec::new(), name: None, labels: BTreeMap::new(), tools: ToolFilter::default() }
    }

    fn is_about(&self, doorbell: &Doorbell) -> bool {
        (self.called.fits(&doorbell.name) || self.called.fits(doorbell.id.as_str()))
            && (self.within.is_empty() || self.within.iter().any(|place| doorbell.path.starts_with(place)))
    }
}

/// What a hub is told of instances.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// Rules. Of two that say different names or labels the later one counts; filters add up.
    pub rules: Vec<InstanceRule>,
    /// Instances that belong to no project: they are connected in every session that connects by itself.
    pub everywhere: HashSet<InstanceId>,
}

impl Policy {
    /// The labels of an instance that is announced so.
    #[must_use]
    pub fn labels(&self, doorbell: &Doorbell) -> BTreeMap<String, String> {
        let mut labels = doorbell.labels.clone();
        for rule in self.rules.iter().filter(|rule| rule.is_about(doorbell)) {
            labels.extend(rule.labels.clone());
        }
        labels
    }

    /// What was found, as it is to be seen.
    pub(crate) fn applied(&self, found: Arc<Found>) -> Arc<Found> {
        let about: Vec<&InstanceRule> =
            self.rules.iter().filter(|rule| rule.is_about(&found.doorbell)).collect();
        let everywhere = self.everywhere.contains(&found.doorbell.id);
        if about.is_empty() && !everywhere {
            return found;
        }
        let mut seen = Found::clone(&found);
        seen.everywhere = everywhere;
        for rule in about {
            if let Some(name) = &rule.name {
                seen.doorbell.name.clone_from(name);
            }
            seen.doorbell.labels.extend(rule.labels.clone());
            if !rule.tools.is_open() {
                seen.filters.push(rule.tools.clone());
            }
        }
        Arc::new(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::tests::found;

    fn globs(patterns: &[&str]) -> Vec<Glob> {
        patterns.iter().map(|pattern| Glob::new(pattern).unwrap()).collect()
    }

    #[test]
    fn what_one_rule_hides_no_other_shows() {
        let mut closed = InstanceRule::new(Glob::new("shop*").unwrap());
        closed.tools.hide = globs(&["delete_*", "scripts_stop"]);
        let mut open = InstanceRule::new(Glob::new("*").unwrap());
        open.tools.show = globs(&["*"]);
        let mut narrow = InstanceRule::new(Glob::new("shop").unwrap());
        narrow.tools.show = globs(&["read*", "delete_all"]);
        let rules = vec![closed, open, narrow];
        let policy = Policy { rules, ..Policy::default() };
        let shop = policy.applied(Arc::new(found("a", "/p", "shop")));
        let shown = |tool| shop.shows(tool);
        assert!(shown("read") && !shown("write") && !shown("delete_all") && !shown("scripts/stop"));
        let other = policy.applied(Arc::new(found("a", "/p", "other")));
        assert!(other.shows("delete_all"));
    }

    #[test]
    fn rules_are_about_names_ids_and_places() {
        let mut rule = InstanceRule::new(Glob::new("web-*").unwrap());
        rule.within = vec!["/home/me/shop".into()];
        rule.name = Some("shop".to_owned());
        rule.labels = BTreeMap::from([("tier".to_owned(), "front".to_owned())]);
        let mut policy = Policy { rules: vec![rule], ..Policy::default() };
        policy.everywhere.insert(InstanceId::parse("memory").unwrap());
        let seen = |id, path, name| policy.applied(Arc::new(found(id, path, name)));
        let shop = seen("web-1", "/home/me/shop/web", "x");
        assert_eq!((&*shop.doorbell.name, &*shop.doorbell.labels["tier"]), ("shop", "front"));
        assert_eq!(seen("web-1", "/home/me/shopping", "x").doorbell.name, "x", "another directory");
        assert_eq!(seen("x", "/home/me/shop", "web-").doorbell.name, "shop");
        assert_eq!(seen("x", "/home/me/shop", "y").doorbell.name, "y");
        assert!(seen("memory", "/", "memory").everywhere && !shop.everywhere);
    }
}
