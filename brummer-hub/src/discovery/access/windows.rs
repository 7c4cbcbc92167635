//! What Windows is asked about access lists, and told of them.

use std::{
    fs::{self, File},
    io,
    os::windows::fs::OpenOptionsExt as _,
    path::Path,
};

use windows_permissions::{
    LocalBox, SecurityDescriptor, Sid,
    constants::{SeObjectType::SE_FILE_OBJECT, SecurityInformation},
    utilities::current_process_sid,
    wrappers::{
        ConvertSecurityDescriptorToStringSecurityDescriptor, GetSecurityInfo, LookupAccountSid,
        SetNamedSecurityInfo, SetSecurityInfo,
    },
};

use super::{Foreign, judge};

/// Whose files are taken: this user's, and those of the system and of administrators, who may do everything anyway. What a
/// user makes while working as an administrator belongs to those.
const SYSTEM_AND_ADMINISTRATORS: [&str; 2] = ["S-1-5-18", "S-1-5-32-544"];

/// Whoever owns the file, in a list.
const OWNER: &str = "S-1-3-4";

/// `GENERIC_WRITE`, `READ_CONTROL` and `WRITE_DAC` of winnt.h: to write a file and its access list.
const WRITE_WITH_LIST: u32 = 0x4000_0000 | 0x0002_0000 | 0x0004_0000;

/// Whether only this user can have written an open file.
pub(crate) fn check(file: &File) -> Result<(), Foreign> {
    let trusted = trusted().map_err(|_| Foreign::Unclear)?;
    let is_trusted = |account: &str| {
        // As the text of a descriptor may have it: by number, or by two letters.
        account.parse::<LocalBox<Sid>>().is_ok_and(|account| trusted.contains(&account))
    };
    match judge(&descriptor(file).map_err(|_| Foreign::Unclear)?, is_trusted) {
        Err(Foreign::Owner(account)) => Err(Foreign::Owner(name(account))),
        Err(Foreign::Writer(account)) => Err(Foreign::Writer(name(account))),
        judged => judged,
    }
}

/// A new file, open for writing, that only this user may read and write. Nobody else can have opened it before it was so.
pub(crate) fn create_file(file: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true).access_mode(WRITE_WITH_LIST).share_mode(0);
    let mut created = options.open(file)?;
    let private = private("")?;
    let list = private.dacl().ok_or(io::ErrorKind::InvalidData)?;
    let restricted = SetSecurityInfo(&mut created, SE_FILE_OBJECT, protected(), None, None, Some(list), None);
    if let Err(error) = restricted {
        drop(created);
        // Nothing more can be done about a file that cannot be removed; it is empty.
        let _ = fs::remove_file(file);
        return Err(error);
    }
    Ok(created)
}

/// Creates a directory, which only this user may enter, and what is missing above it.
pub(crate) fn create_directory(directory: &Path) -> io::Result<()> {
    let mut missing: Vec<&Path> = directory.ancestors().take_while(|above| !above.exists()).collect();
    missing.reverse();
    for created in missing {
        match fs::create_dir(created) {
            // Another program was faster, and it is that one's.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        // Files and directories in it inherit that.
        let private = private("OICI")?;
        let list = private.dacl().ok_or(io::ErrorKind::InvalidData)?;
        SetNamedSecurityInfo(created, SE_FILE_OBJECT, protected(), None, None, Some(list), None)?;
    }
    // It says so if there is a file in its place.
    fs::create_dir_all(directory)
}

/// The list that is set is all there is: nothing is inherited.
fn protected() -> SecurityInformation {
    SecurityInformation::Dacl | SecurityInformation::ProtectedDacl
}

/// A descriptor whose list lets this user do everything, and nobody else anything.
fn private(inheritance: &str) -> io::Result<LocalBox<SecurityDescriptor>> {
    format!("D:P(A;{inheritance};FA;;;{})", *current_process_sid()?).parse()
}

fn trusted() -> io::Result<Vec<LocalBox<Sid>>> {
    let mut trusted = vec![current_process_sid()?];
    for account in SYSTEM_AND_ADMINISTRATORS.into_iter().chain([OWNER]) {
        trusted.push(account.parse()?);
    }
    Ok(trusted)
}

/// Owner and list of an open file, as text.
fn descriptor(file: &File) -> io::Result<String> {
    let which = SecurityInformation::Owner | SecurityInformation::Dacl;
    text(&*GetSecurityInfo(file, SE_FILE_OBJECT, which)?, which)
}

fn text(descriptor: &SecurityDescriptor, which: SecurityInformation) -> io::Result<String> {
    let text = ConvertSecurityDescriptorToStringSecurityDescriptor(descriptor, which)?;
    text.into_string().map_err(|_| io::ErrorKind::InvalidData.into())
}

/// What people call an account, if the system tells.
fn name(account: String) -> String {
    let known = account.parse::<LocalBox<Sid>>().and_then(|account| LookupAccountSid(&account));
    known.map_or(account, |(name, _domain)| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::{
        discovery::read::{DoorbellRefusal, read},
        process::is_wine,
    };

    fn listed(file: &Path) -> String {
        descriptor(&File::open(file).unwrap()).unwrap()
    }

    /// Gives a file another list than it was made with.
    fn relist(file: &Path, entries: &str) {
        let descriptor: LocalBox<SecurityDescriptor> = format!("D:P{entries}").parse().unwrap();
        let list = descriptor.dacl().unwrap();
        SetNamedSecurityInfo(file, SE_FILE_OBJECT, protected(), None, None, Some(list), None).unwrap();
    }

    #[test]
    fn what_is_created_is_the_users_alone() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("a").join("b");
        create_directory(&directory).unwrap();
        create_directory(&directory).unwrap();
        let file = directory.join("x.json");
        let mut created = create_file(&file).unwrap();
        assert!(File::open(&file).is_err(), "nobody opens it before it is written");
        created.write_all(b"{}").unwrap();
        drop(created);
        assert_eq!(create_file(&file).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(check(&File::open(&file).unwrap()), Ok(()));
        let own = format!("D:P(A;;FA;;;{})", *current_process_sid().unwrap());
        assert_eq!(text(&private("").unwrap(), SecurityInformation::Dacl).unwrap(), own);
        if is_wine() {
            println!("left out: Wine adds what the directory hands down, whatever is asked of it");
        } else {
            assert!(listed(&file).ends_with(&own), "{}", listed(&file));
        }
        fs::write(root.path().join("file"), "").unwrap();
        assert!(create_directory(&root.path().join("file")).is_err());
        assert!(create_directory(&root.path().join("file").join("x")).is_err());
    }

    #[test]
    fn what_others_may_write_is_refused_and_what_they_may_read_is_not() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("x.json");
        drop(create_file(&file).unwrap());
        let own = current_process_sid().unwrap();
        relist(&file, &format!("(A;;FA;;;{})(A;;FR;;;WD)", *own));
        assert_eq!(check(&File::open(&file).unwrap()), Ok(()), "{}", listed(&file));
        relist(&file, &format!("(A;;FA;;;{})(A;;FA;;;WD)", *own));
        let refused = check(&File::open(&file).unwrap()).unwrap_err();
        assert!(matches!(refused, Foreign::Writer(_)), "{refused}: {}", listed(&file));
        // Nothing of it is looked at.
        assert!(matches!(read(&file), Err((DoorbellRefusal::Foreign(Foreign::Writer(_)), None))));
    }
}
