//! Which directories of a project may hold a dev server: the repository around it, its worktrees, and the packages in them.

use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use crate::discovery::open_regular;

/// Directories above one in which the root of its repository is looked for.
const MAX_DEPTH: usize = 32;

/// Worktrees of a repository that are looked at: agents make dozens.
const MAX_WORKTREES: usize = 64;

/// Levels below a root in which packages lie: `apps/web`, `packages/@scope/ui`.
const PACKAGE_LEVELS: usize = 3;

/// Directories that are listed for the packages of one root, and entries of each that are looked at.
const MAX_LISTED: usize = 128;
const MAX_ENTRIES: usize = 512;

/// Packages of one root.
const MAX_PACKAGES: usize = 128;

/// The directories in which lock files are looked for, when a project is known. Blocking.
pub(super) fn of_project(directory: &Path, home: Option<&Path>) -> BTreeSet<PathBuf> {
    // By one name each: a home may be a link, and Windows has several ways to write each path.
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (directory, home) = (real(directory), home.map(real));
    let home = home.as_deref();
    let mut found = BTreeSet::from([directory.clone()]);
    // Everything of a user is no project.
    let is_whole = directory.parent().is_none() || home.is_some_and(|home| home.starts_with(&directory));
    if is_whole {
        return found;
    }
    let root = repository(&directory, home);
    let mut roots = root.map(worktrees).unwrap_or_default();
    roots.insert(root.unwrap_or(&directory).to_owned());
    roots.insert(directory.clone());
    for root in roots {
        packages(&root, &mut found);
        found.insert(root);
    }
    found
}

/// The nearest directory around one that has a `.git`.
pub(super) fn repository<'a>(directory: &'a Path, home: Option<&Path>) -> Option<&'a Path> {
    let outer = directory.ancestors().take(MAX_DEPTH);
    let mut outer = outer.take_while(|outer| home.is_none_or(|home| !home.starts_with(outer)));
    outer.find(|outer| outer.join(".git").exists())
}

/// The main working tree of a repository and its others.
fn worktrees(root: &Path) -> BTreeSet<PathBuf> {
    let own = root.join(".git");
    // In a worktree `.git` is a file that names the directory of its own below that of the main one.
    let shared = match first_line(&own).and_then(|line| line.strip_prefix("gitdir:").map(str::to_owned)) {
        Some(line) => {
            let directory = root.join(line.trim());
            let Some(shared) = directory.parent().and_then(Path::parent) else { return BTreeSet::new() };
            shared.to_owned()
        }
        None => own,
    };
    let mut found = BTreeSet::new();
    let real = |tree: &Path| tree.canonicalize().ok().filter(|tree| tree.is_dir());
    found.extend(shared.parent().filter(|_| shared.ends_with(".git")).and_then(real));
    for entry in fs::read_dir(shared.join("worktrees")).into_iter().flatten().take(MAX_WORKTREES).flatten() {
        let tree = first_line(&entry.path().join("gitdir")).map(PathBuf::from);
        found.extend(tree.as_deref().and_then(Path::parent).and_then(real));
    }
    found
}

/// Directories below a root that have a `package.json`.
fn packages(root: &Path, found: &mut BTreeSet<PathBuf>) {
    let (mut level, mut listed, mut packages) = (vec![root.to_owned()], 0, 0);
    for _ in 0..PACKAGE_LEVELS {
        let mut next = Vec::new();
        for directory in level {
            if listed == MAX_LISTED {
                return;
            }
            listed += 1;
            for entry in fs::read_dir(&directory).into_iter().flatten().take(MAX_ENTRIES).flatten() {
                let name = entry.file_name();
                let is_skipped =
                    name.as_encoded_bytes().starts_with(b".") || name == "node_modules" || name == "dist";
                // A link is not followed: it may lead anywhere.
                if is_skipped || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    continue;
                }
                let path = entry.path();
                if packages < MAX_PACKAGES
                    && path.join("package.json").is_file()
                    && found.insert(path.clone())
                {
                    packages += 1;
                }
                next.push(path);
            }
        }
        level = next;
    }
}

/// The branch that is checked out around a directory, of which several worktrees may run the same server. Blocking.
pub(super) fn branch(directory: &Path) -> Option<String> {
    let root = repository(directory, None)?;
    let own = root.join(".git");
    let git = match first_line(&own) {
        Some(line) => root.join(line.strip_prefix("gitdir:")?.trim()),
        None => own,
    };
    let head = first_line(&git.join("HEAD"))?;
    head.strip_prefix("ref: refs/heads/").map(str::to_owned)
}

/// The first line of a small file that git wrote.
fn first_line(file: &Path) -> Option<String> {
    let mut text = String::new();
    open_regular(file).ok()?.take(4096).read_to_string(&mut text).ok()?;
    text.lines().next().map(|line| line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(file: PathBuf, text: &str) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    #[test]
    fn a_repository_has_worktrees_and_packages() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().canonicalize().unwrap();
        // A person's home may be a link.
        #[cfg(unix)]
        let home = {
            fs::create_dir(real.join("disk")).unwrap();
            std::os::unix::fs::symlink("disk", real.join("home")).unwrap();
            place.path().join("home")
        };
        #[cfg(unix)]
        let real = real.join("disk");
        #[cfg(not(unix))]
        let home = place.path().to_owned();
        // As git writes it, on Windows too.
        let git = |path: &Path| path.display().to_string().replace('\\', "/");
        let (main, tree) = (home.join("main"), home.join("trees/fix"));
        write(main.join(".git/HEAD"), "ref: refs/heads/main\n");
        write(main.join(".git/worktrees/fix/gitdir"), &format!("{}/.git\n", git(&tree)));
        write(main.join(".git/worktrees/fix/HEAD"), "ref: refs/heads/fix/it\n");
        write(tree.join(".git"), &format!("gitdir: {}/.git/worktrees/fix\n", git(&main)));
        write(main.join("apps/web/package.json"), "{}");
        write(main.join("apps/web/node_modules/x/package.json"), "{}");
        write(tree.join("apps/web/package.json"), "{}");
        let expected = ["main", "main/apps/web", "trees/fix", "trees/fix/apps/web"].map(|it| real.join(it));
        let expected = BTreeSet::from(expected);
        for from in [&main, &tree] {
            assert_eq!(of_project(from, Some(&home)), expected, "from {}", from.display());
        }
        let deep = main.join("apps/web");
        assert_eq!(of_project(&deep, Some(&home)), expected);
        assert_eq!(branch(&deep).as_deref(), Some("main"));
        assert_eq!(branch(&tree.join("apps/web")).as_deref(), Some("fix/it"));
        assert_eq!(of_project(&home, Some(&home)), BTreeSet::from([real]), "a home is no project");
    }
}
