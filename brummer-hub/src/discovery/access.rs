//! Who may write a file, by its access list: what Windows has instead of a mode.
//!
//! The list is read as text (SDDL, the security descriptor definition language), which is judged here, on any system.

#[cfg(windows)]
mod windows;

#[cfg(windows)]
pub(crate) use windows::{check, create_directory, create_file};

/// Why a file may not be one that this user has written.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Foreign {
    #[error("it belongs to another user ({0})")]
    Owner(String),
    #[error("{0} may write it; make it private: icacls FILE /inheritance:r /grant:r \"%USERNAME%:F\"")]
    Writer(String),
    #[error(
        "it has no access list, so that every user may write it; keep it on a drive that has them (NTFS)"
    )]
    NoList,
    #[error("its access list cannot be read")]
    Unclear,
}

/// Whether a file of this descriptor (owner and list, nothing else) can only have been written by somebody who `is_trusted`, to
/// whom accounts are named as the descriptor names them.
fn judge(descriptor: &str, is_trusted: impl Fn(&str) -> bool) -> Result<(), Foreign> {
    let (owner, list) = descriptor
        .strip_prefix("O:")
        .and_then(|descriptor| descriptor.split_once("D:"))
        .ok_or(Foreign::Unclear)?;
    if !is_trusted(owner) {
        return Err(Foreign::Owner(owner.to_owned()));
    }
    // An empty list lets nobody in, and then nobody would have read it: here it is the same as none.
    let (_flags, entries) = list.split_once('(').ok_or(Foreign::NoList)?;
    for entry in entries.trim_end_matches(')').split(")(") {
        let fields: Vec<&str> = entry.splitn(7, ';').collect();
        let [kind, flags, rights, _, _, account, ..] = fields[..] else { return Err(Foreign::Unclear) };
        // Only what is granted counts, whatever else is refused; and not what files in a directory would inherit.
        let is_granted = !matches!(kind, "D" | "OD" | "XD");
        if is_granted && !pairs(flags).any(|flag| flag == "IO") && may_write(rights) && !is_trusted(account) {
            return Err(Foreign::Writer(account.to_owned()));
        }
    }
    Ok(())
}

/// Whether these rights are enough to change a file, or to let oneself do so.
fn may_write(rights: &str) -> bool {
    /// Writing data, appending, removing; changing list or owner; everything; generic writing.
    const WRITING: u32 =
        0x0002 | 0x0004 | 0x0001_0000 | 0x0004_0000 | 0x0008_0000 | 0x1000_0000 | 0x4000_0000;
    match rights.strip_prefix("0x") {
        Some(mask) => u32::from_str_radix(mask, 16).map_or(true, |mask| mask & WRITING != 0),
        // What is not known here may be anything.
        None => pairs(rights).any(|right| {
            !matches!(
                right,
                "GR" | "GX" | "FR" | "FX" | "RC" | "CC" | "SW" | "RP" | "WP" | "DT" | "LO" | "CR"
            )
        }),
    }
}

/// Flags and rights are written as pairs of letters, one after the other.
fn pairs(text: &str) -> impl Iterator<Item = &str> {
    (0..text.len()).step_by(2).map(|at| text.get(at..at + 2).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "S-1-5-21-1-2-3-1001";

    fn judged(descriptor: &str) -> Result<(), Foreign> {
        judge(&descriptor.replace("ME", ME), |account| [ME, "SY", "BA"].contains(&account))
    }

    #[test]
    fn a_file_that_only_its_user_and_the_system_may_write_is_the_users() {
        for descriptor in [
            "O:MED:P(A;;FA;;;ME)",
            // As in a profile.
            "O:MED:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;FA;;;ME)",
            // Of a user who works as an administrator.
            "O:BAD:(A;;FA;;;ME)",
            // Others may read it, and what they may do with files in a directory is not about this one.
            "O:MED:(A;;FA;;;ME)(A;;FR;;;WD)(A;;0x1200a9;;;BU)(A;OICIIO;FA;;;WD)(A;;CCSWRPWPDTLOCR;;;WD)",
            "O:MED:(D;;FA;;;WD)(A;;FA;;;ME)",
        ] {
            assert_eq!(judged(descriptor), Ok(()), "{descriptor}");
        }
    }

    #[test]
    fn a_file_that_others_own_or_may_write_is_foreign() {
        let (other, writer) = ("S-1-5-21-1-2-3-1002", |name: &str| Err(Foreign::Writer(name.to_owned())));
        assert_eq!(judged(&format!("O:{other}D:P(A;;FA;;;ME)")), Err(Foreign::Owner(other.to_owned())));
        assert_eq!(judged("O:WDD:P(A;;FA;;;ME)"), Err(Foreign::Owner("WD".to_owned())));
        for rights in [
            "FA", "FW", "GA", "GW", "DC", "LC", "SD", "WD", "WO", "FRDC", "0x1301bf", "0x2", "0xX", "??", "F",
        ] {
            assert_eq!(judged(&format!("O:MED:(A;;{rights};;;AU)")), writer("AU"), "{rights}");
        }
        // Under a condition, or in part.
        assert_eq!(judged("O:MED:(XA;;FA;;;WD;(@User.a == (1)))(A;;FA;;;ME)"), writer("WD"));
        assert_eq!(judged("O:MED:(OA;;FA;x;;WD)"), writer("WD"));
        // A refusal to one does not take back what another is granted.
        assert_eq!(judged("O:MED:(D;;FA;;;ME)(A;ID;FA;;;WD)"), writer("WD"));
    }

    #[test]
    fn a_file_without_a_list_is_everybodys() {
        for descriptor in ["O:MED:", "O:MED:P", "O:MED:NO_ACCESS_CONTROL"] {
            assert_eq!(judged(descriptor), Err(Foreign::NoList), "{descriptor}");
        }
        for descriptor in ["", "D:(A;;FA;;;ME)", "O:ME", "O:MED:(A;;FA)"] {
            assert_eq!(judged(descriptor), Err(Foreign::Unclear), "{descriptor}");
        }
    }
}
