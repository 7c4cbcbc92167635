//! What a person says of instances, beside what these say of themselves: names, labels, which tools are shown, and which
//! instances are there for every project.
//!
//! A [`Policy`] is applied to what was found before anything else sees it, so that each part of the hub knows an instance
//! under one name only. Rules narrow: what one hides, no other shows.

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use crate::{
    discovery::Found,
    doorbell::{Doorbell, InstanceId},
};

/// Longest pattern in bytes: names of tools are shorter by far.
const MAX_PATTERN_BYTES: usize = 256;

/// A pattern for names: `*` stands for any characters, `?` for one; all else for itself.
///
/// ```
/// use brummer_hub::policy::Glob;
///
/// let glob = Glob::new("read_*").unwrap();
/// assert!(glob.fits("read_file") && !glob.fits("write_file"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Glob(Box<str>);

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidGlob {
    /// It would fit nothing.
    #[error("a pattern has at least one character")]
    Empty,
    /// More than 256 bytes.
    #[error("a pattern has at most {MAX_PATTERN_BYTES} bytes")]
    TooLong,
}

impl Glob {
    /// Checks a text.
    ///
    /// # Errors
    /// When it is empty or longer than 256 bytes.
    pub fn new(text: &str) -> Result<Self, InvalidGlob> {
        match text.len() {
            0 => Err(InvalidGlob::Empty),
            1..=MAX_PATTERN_BYTES => Ok(Self(text.into())),
            _ => Err(InvalidGlob::TooLong),
        }
    }

    /// Whether it fits a whole name. Takes time in proportion to both lengths multiplied, at most.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        let (mut pattern, mut text) = (self.0.chars(), name.chars());
        // Where the last `*` was, and what it stands for so far.
        let mut star: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
        loop {
            let mut ahead = pattern.clone();
            match (ahead.next(), text.clone().next()) {
                (Some('*'), _) => {
                    star = Some((ahead.clone(), text.clone()));
                    pattern = ahead;
                    continue;
                }
                (Some(wanted), Some(there)) if wanted == '?' || wanted == there => {
                    pattern = ahead;
                    text.next();
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            // The last `*` stands for one character more.
            let Some((after, from)) = &mut star else { return false };
            if from.next().is_none() {
                return false;
            }
            (pattern, text) = (after.clone(), from.clone());
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which tools of an instance clients see and may call.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ToolFilter {
    /// A tool must fit one of these; any does when there are none.
    pub show: Vec<Glob>,
    /// A tool must fit none of these.
    pub hide: Vec<Glob>,
}

impl ToolFilter {
    /// Whether a tool is shown.
    #[must_use]
    pub fn shows(&self, tool: &str) -> bool {
        // Servers that know a tool under another spelling are not asked by it.
        let plain = tool.replace(['/', '.'], "_");
        let fits = |glob: &Glob| glob.fits(tool) || glob.fits(&plain);
        (self.show.is_empty() || self.show.iter().any(fits)) && !self.hide.iter().any(fits)
    }

    /// Whether it lets everything through.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.show.is_empty() && self.hide.is_empty()
    }
}

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

impl Found {
    /// Whether clients see a tool of the instance, and may call it.
    #[must_use]
    pub fn shows(&self, tool: &str) -> bool {
        self.filters.iter().all(|filter| filter.shows(tool))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::tests::found;

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, fitting, other) in [
            ("*", "", None),
            ("read_*", "read_", Some("read")),
            ("*_file", "read_file", Some("read_files")),
            ("a*b*c", "a-b-bc", Some("a-b-cb")),
            ("a?c", "aäc", Some("ac")),
            ("a**c", "ac", Some("a")),
            ("a.c", "a.c", Some("abc")),
            ("[a]", "[a]", Some("a")),
        ] {
            let glob = Glob::new(pattern).unwrap();
            assert!(glob.fits(fitting), "{pattern} {fitting}");
            assert!(other.is_none_or(|other| !glob.fits(other)), "{pattern} {other:?}");
        }
        assert_eq!(Glob::new(""), Err(InvalidGlob::Empty));
        assert_eq!(Glob::new(&"x".repeat(257)), Err(InvalidGlob::TooLong));
        // It ends soon, whatever it is made of.
        assert!(
            !Glob::new(&"*a".repeat(128)).unwrap().fits(&"a".repeat(20_000).replace("aaaa", "aaab")[..127])
        );
    }

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
