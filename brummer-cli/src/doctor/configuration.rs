//! The files of what should be there.

use brummer_hub::discovery::Directories;

use super::report::Report;
use crate::{
    config::{Consent, FileState, Loaded},
    env,
};

const SECTION: &str = "Configuration";

pub(super) fn look(places: &Directories, report: &mut Report) {
    let here = std::env::current_dir().ok();
    let mut loaded = Loaded::read(places, here.as_deref());
    let troubles = loaded.troubles(places);
    loaded.effective.problems.extend(troubles);
    for file in loaded.files.iter().filter(|file| file.state == FileState::Read) {
        report.ok(SECTION, format!("{} is read", file.path.display()));
    }
    for (file, consent) in loaded.undecided() {
        let changed =
            if consent == Consent::Outdated { "has changed since it was trusted" } else { "is not trusted" };
        let advice = "what it declares is not started; look at it, then run `brummer-hub config trust` there";
        report.note(SECTION, format!("{} {changed}", file.path.display()), Some(advice));
    }
    for problem in loaded.problems() {
        report.problem(SECTION, problem, "mend what is named; `brummer-hub config` shows what counts");
    }
    if let Some(directory) = env::get(env::CONFIG_HOME)
        && loaded.files.iter().any(|file| file.state == FileState::Read && file.path.starts_with(&directory))
    {
        let advice = "clients may start their hubs without it, which then look in ~/.config";
        report.note(SECTION, "the file is where XDG_CONFIG_HOME says", Some(advice));
    }
}
