//! `man`: the manual, made from the command line's own definition.

use std::{io, path::Path};

use crate::{
    exit::{ExitStatus, Failure},
    output,
};

/// Prints the manual page, or writes those of all commands into a directory.
pub(crate) fn man(command: clap::Command, directory: Option<&Path>) -> Result<ExitStatus, Failure> {
    if let Some(directory) = directory {
        let failed =
            |error: io::Error| Failure::new(format!("cannot write {}: {error}", directory.display()));
        std::fs::create_dir_all(directory).map_err(failed)?;
        clap_mangen::generate_to(command, directory).map_err(failed)?;
    } else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        output::data(&String::from_utf8_lossy(&page))?;
    }
    Ok(ExitStatus::Success)
}
