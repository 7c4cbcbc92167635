//! Patterns of workspaces: `packages/*`, `apps/**`, `!packages/old`. Pure.

/// Whether a relative path with slashes fits a pattern. `*` is any part of one name, `**` any number of names.
pub(super) fn fits(pattern: &str, path: &str) -> bool {
    let names = |text: &str| -> Vec<String> {
        text.split('/').filter(|name| !name.is_empty() && *name != ".").map(str::to_owned).collect()
    };
    fits_names(&names(pattern), &names(path))
}

fn fits_names(pattern: &[String], path: &[String]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "**" => {
            fits_names(rest, path) || path.split_first().is_some_and(|(_, below)| fits_names(pattern, below))
        }
        (Some((first, rest)), Some((name, below))) => {
            fits_name(first.as_bytes(), name.as_bytes()) && fits_names(rest, below)
        }
        _ => false,
    }
}

/// One name; `*` and `?` as in a shell, and no other signs.
fn fits_name(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut within) = (0, 0);
    // Where the last `*` stands, and how far it reaches.
    let mut star: Option<(usize, usize)> = None;
    while within < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, within));
                at += 1;
            }
            Some(sign) if *sign == b'?' || *sign == name[within] => {
                at += 1;
                within += 1;
            }
            _ => {
                let Some((place, reach)) = star else { return false };
                star = Some((place, reach + 1));
                at = place + 1;
                within = reach + 1;
            }
        }
    }
    pattern[at..].iter().all(|sign| *sign == b'*')
}

/// How many names deep a pattern reaches at most; `None` without a bound.
pub(super) fn depth(pattern: &str) -> Option<usize> {
    let names = || pattern.split('/').filter(|name| !name.is_empty() && *name != ".");
    names().all(|name| name != "**").then(|| names().count())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_of_workspaces() {
        for (pattern, path, wanted) in [
            ("packages/*", "packages/web", true),
            ("./packages/*/", "packages/web", true),
            ("packages/*", "packages/web/sub", false),
            ("packages/**", "packages/a/b", true),
            ("**/app", "x/y/app", true),
            ("web-*-ui", "web-old-new-ui", true),
            ("web-?", "web-12", false),
            ("tools", "tools", true),
            ("tools", "tool", false),
        ] {
            assert_eq!(fits(pattern, path), wanted, "{pattern} {path}");
        }
        assert_eq!((depth("packages/*"), depth("a/**")), (Some(2), None));
    }

    proptest! {
        #[test]
        fn a_name_fits_itself_and_any_star_in_it(before in "[a-z]{0,6}", middle in "[a-z]{0,6}", after in "[a-z]{0,6}") {
            let name = format!("{before}{middle}{after}");
            let pattern = format!("{before}*{after}");
            prop_assert!(fits_name(name.as_bytes(), name.as_bytes()));
            prop_assert!(fits_name(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
