//! Names under which the tools and prompts of several instances are listed together.
//!
//! The rule: `<alias>__<name>`, with every character that some client refuses replaced by `_`. When that loses
//! something, or the whole is longer than the budget, the name is cut and ends in `_` and a hash of the original, so
//! that it is the same at every start and independent of what else is listed. Names are never taken apart again: the
//! names of what an instance lists lead back to the original.

/// Hex digits of the hash; with the underscore in front, 7 characters of a name.
const HASH_DIGITS: usize = 6;

/// What stands between an alias, which has no underscore, and the rest.
const SEPARATOR: &str = "__";

/// The name that a tool or prompt is listed under, unless that one is taken.
pub(in crate::session) fn listed(alias: &str, original: &str, budget: usize) -> String {
    let plain = whole(alias, original);
    if plain.len() <= budget && plain.ends_with(original) { plain } else { hashed(alias, original, budget) }
}

/// The name that it is listed under when [`listed`] is taken.
pub(in crate::session) fn hashed(alias: &str, original: &str, budget: usize) -> String {
    let mut name = whole(alias, original);
    name.truncate(budget - HASH_DIGITS - 1);
    let digits = fnv1a(&[alias.as_bytes(), &[0], original.as_bytes()]) & 0xff_ffff;
    format!("{name}_{digits:0HASH_DIGITS$x}")
}

/// The name with its alias in front, of whatever length.
pub(in crate::session) fn whole(alias: &str, original: &str) -> String {
    format!("{alias}{SEPARATOR}{}", portable(original))
}

/// The alias in front of a name, and what follows it.
pub(in crate::session) fn split(name: &str) -> Option<(&str, &str)> {
    name.split_once(SEPARATOR).filter(|(alias, rest)| !alias.is_empty() && !rest.is_empty())
}

/// Whether a name with this alias taken off can mean `original`: as it is, with its characters replaced, or cut.
pub(in crate::session) fn means(alias: &str, rest: &str, original: &str, budget: usize) -> bool {
    if rest == original || rest == portable(original) {
        return true;
    }
    let hashed = hashed(alias, original, budget);
    hashed.strip_prefix(alias).and_then(|tail| tail.strip_prefix(SEPARATOR)) == Some(rest)
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
    fn every_spelling_means_the_original() {
        let long = "a_tool_with_a_rather_long_name_of_fifty_characters";
        for original in ["a", "logs/search", "a__b", long] {
            let listed = listed("web", original, 46);
            for spelling in [listed, whole("web", original), format!("web__{original}")] {
                let (alias, rest) = split(&spelling).unwrap();
                assert!(means(alias, rest, original, 46), "{spelling}");
                assert!(!means(alias, rest, "other", 46), "{spelling}");
            }
        }
    }
}
