//! Comparing directories by components, as the system compares them.

use std::{
    borrow::Cow,
    ffi::OsStr,
    path::{Component, Path},
};

/// Whether both name the same directory, as far as their spelling tells.
pub(super) fn same(one: &Path, other: &Path) -> bool {
    one.components().map(spelling).eq(other.components().map(spelling))
}

/// How many components `directory` shares with `ancestor`, if `ancestor` contains it or is it.
pub(super) fn contains(ancestor: &Path, directory: &Path) -> Option<usize> {
    let mut inner = directory.components().map(spelling);
    let mut depth = 0;
    for outer in ancestor.components().map(spelling) {
        if inner.next()? != outer {
            return None;
        }
        depth += 1;
    }
    // A relative path without any component contains nothing that could be known here.
    (depth > 0).then_some(depth)
}

/// A component in the form in which two are compared.
fn spelling(component: Component<'_>) -> Cow<'_, OsStr> {
    #[cfg(windows)]
    {
        use std::path::Prefix;
        if let Component::Prefix(prefix) = component
            && let Prefix::Disk(disk) | Prefix::VerbatimDisk(disk) = prefix.kind()
        {
            // `canonicalize` answers `\\?\C:\…` for `C:\…`.
            return Cow::Owned(format!("{}:", char::from(disk.to_ascii_lowercase())).into());
        }
        // File names that are not valid Unicode are rare enough to be compared as they are.
        if let Some(text) = component.as_os_str().to_str() {
            return Cow::Owned(text.to_lowercase().into());
        }
    }
    Cow::Borrowed(component.as_os_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_components_not_letters() {
        assert!(same(Path::new("/a/b/"), Path::new("/a//b")));
        assert!(!same(Path::new("/a/b"), Path::new("/a/b/c")));
        assert_eq!(contains(Path::new("/a/b"), Path::new("/a/b/c")), Some(3));
        assert_eq!(contains(Path::new("/a/b"), Path::new("/a/b")), Some(3));
        assert_eq!(contains(Path::new("/a/b"), Path::new("/a/bc")), None);
        assert_eq!(contains(Path::new("/a/b/c"), Path::new("/a/b")), None);
        assert_eq!(contains(Path::new(""), Path::new("/a")), None);
    }

    #[cfg(windows)]
    #[test]
    fn windows_knows_no_case_and_several_prefixes() {
        assert!(same(Path::new(r"C:\Users\Ann"), Path::new(r"\\?\c:\users\ann")));
        assert_eq!(contains(Path::new(r"c:\Work"), Path::new(r"C:\work\shop")), Some(3));
    }

    #[cfg(unix)]
    #[test]
    fn unix_knows_case() {
        assert!(!same(Path::new("/a/B"), Path::new("/a/b")));
    }
}
