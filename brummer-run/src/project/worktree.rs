//! Git worktrees beside the main one.

use std::{
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    path::Path,
};

/// The ports that scripts of worktrees get: below those that systems give out by themselves, and above most that servers
/// take by default.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// What is read of a `.git` that leads elsewhere: a path.
const MAX_LINK: u64 = 4096;

/// Whether a directory is in a worktree that was added to a repository. Blocking.
pub(super) fn is_linked(directory: &Path) -> bool {
    let Some(root) = directory.ancestors().find(|level| level.join(".git").exists()) else { return false };
    // In the main one it is a directory, in a submodule it leads to `modules`.
    let link = super::text(&root.join(".git"), MAX_LINK).unwrap_or_default();
    let place = link.strip_prefix("gitdir:").map(|place| place.trim().replace('\\', "/"));
    place.is_some_and(|place| place.rsplit('/').nth(1) == Some("worktrees"))
}

/// The port of a script: always the same for a directory and name, and hardly ever that of another one.
pub(super) fn port(directory: &Path, script: &str) -> u16 {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((directory, script));
    FIRST + u16::try_from(hash % u64::from(COUNT)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn worktrees_are_told_from_other_repositories() {
        let root = tempfile::tempdir().unwrap();
        let git = root.path().join(".git");
        let below = root.path().join("packages/web");
        fs::create_dir_all(&below).unwrap();
        for (link, wanted) in [
            ("gitdir: /src/shop/.git/worktrees/fix\n", true),
            ("gitdir: C:\\src\\shop\\.git\\worktrees\\fix\n", true),
            ("gitdir: ../.git/modules/shop\n", false),
            ("", false),
        ] {
            fs::write(&git, link).unwrap();
            assert_eq!(is_linked(&below), wanted, "{link}");
        }
        fs::remove_file(&git).unwrap();
        fs::create_dir(&git).unwrap();
        assert!(!is_linked(&below));
    }

    #[test]
    fn ports_stay_and_differ() {
        let port = |directory: &str, script: &str| port(Path::new(directory), script);
        assert_eq!(port("/a", "dev"), port("/a", "dev"));
        assert_ne!(port("/a", "dev"), port("/b", "dev"));
        assert_ne!(port("/a", "dev"), port("/a", "api"));
        assert!((FIRST..FIRST + COUNT).contains(&port("/a", "dev")));
    }
}
