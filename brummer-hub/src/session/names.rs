//! Names under which the tools and prompts of several instances are listed together.
//!
//! The rule: `<alias>__<name>`, with every character that some client refuses replaced by `_`. When that loses
//! something, or the whole is longer than the budget, the name is cut and ends in `_` and a hash of the original, so
//! that it is the same at every start and independent of what else is listed. Names are never taken apart again: a
//! table leads back to the original.

use std::collections::HashMap;

/// Hex digits of the hash; with the underscore in front, 7 characters of a name.
const HASH_DIGITS: usize = 6;

/// Where a listed name leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Owner {
    pub(super) alias: Box<str>,
    pub(super) original: Box<str>,
}

/// The names listed last, and what each stands for.
#[derive(Debug, Default)]
pub(super) struct Names {
    owners: HashMap<Box<str>, Owner>,
}

impl Names {
    /// Lists a name of an instance; `None` when the instance lists the same name twice.
    pub(super) fn add(&mut self, alias: &str, original: &str, budget: usize) -> Option<String> {
        let owner = Owner { alias: alias.into(), original: original.into() };
        let plain = listed(alias, original, budget);
        for name in [plain, hashed(alias, original, budget)] {
            match self.owners.get(name.as_str()) {
                None => {
                    self.owners.insert(name.clone().into(), owner);
                    return Some(name);
                }
                Some(same) if *same == owner => return None,
                Some(_) => {}
            }
        }
        None
    }

    pub(super) fn owner(&self, listed: &str) -> Option<&Owner> {
        self.owners.get(listed)
    }
}

/// The name that a tool or prompt is listed under, unless that one is taken.
fn listed(alias: &str, original: &str, budget: usize) -> String {
    let plain = format!("{alias}__{}", portable(original));
    if plain.len() <= budget && plain.ends_with(original) { plain } else { hashed(alias, original, budget) }
}

fn hashed(alias: &str, original: &str, budget: usize) -> String {
    let mut name = format!("{alias}__{}", portable(original));
    name.truncate(budget - HASH_DIGITS - 1);
    let digits = fnv1a(&[alias.as_bytes(), &[0], original.as_bytes()]) & 0xff_ffff;
    format!("{name}_{digits:0HASH_DIGITS$x}")
}

/// Only characters that every known client and model API takes (`^[a-zA-Z0-9_-]+$`).
fn portable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// FNV-1a, 64 bits: must not change between versions, or cached tool names would break.
fn fnv1a(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_stay_readable() {
        assert_eq!(listed("web", "scripts_run", 46), "web__scripts_run");
        assert_eq!(listed("web", "a-b", 46), "web__a-b");
    }

    #[test]
    fn odd_and_long_names_end_in_a_hash_and_never_change() {
        assert_eq!(listed("web", "logs/search", 46), "web__logs_search_b3d961");
        assert_eq!(listed("web", &"x".repeat(80), 46).len(), 46);
        assert_ne!(listed("web", "logs/search", 46), listed("web", "logs.search", 46));
        assert_ne!(listed("web", "logs/search", 46), listed("api", "logs/search", 46));
    }

    #[test]
    fn every_listed_name_leads_back() {
        let mut names = Names::default();
        let first = names.add("web", "a/b", 46).unwrap();
        let clash = names.add("web", first.strip_prefix("web__").unwrap(), 46).unwrap();
        assert_ne!(first, clash);
        assert_eq!(*names.owner(&first).unwrap().original, *"a/b");
        assert_eq!(names.add("web", "a/b", 46), None, "listed twice by the instance");
    }

    proptest! {
        #[test]
        fn names_are_portable_within_budget_and_unique(
            tools in proptest::collection::hash_set("\\PC{1,90}", 1..40),
            budget in 32_usize..70,
        ) {
            let mut names = Names::default();
            let mut seen = std::collections::HashSet::new();
            for tool in &tools {
                let Some(listed) = names.add("a-rather-long-al", tool, budget) else { continue };
                prop_assert!(listed.len() <= budget);
                prop_assert!(listed.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
                prop_assert_eq!(&*names.owner(&listed).unwrap().original, tool.as_str());
                prop_assert!(seen.insert(listed));
            }
            // Two different names of six hash digits and the same beginning may clash; more than one in 40 may not.
            prop_assert!(seen.len() + 1 >= tools.len());
        }
    }
}
