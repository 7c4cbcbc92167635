//! Which tools a person lets clients see: patterns for their names.

/// Longest pattern in bytes: names of tools are shorter by far.
const MAX_PATTERN_BYTES: usize = 256;

/// A pattern for names: `*` stands for any characters, `?` for one; all else for itself.
///
/// ```
/// use brummer_hub::policy::Glob;
///
/// let glob = Glob::new("read_*").unwrap();
/// assert!(glob.fits("read_file") && !glob.fits("write_file"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Glob(Box<str>);

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidGlob {
    /// It would fit nothing.
    #[error("a pattern has at least one character")]
    Empty,
    /// More than 256 bytes.
    #[error("a pattern has at most {MAX_PATTERN_BYTES} bytes")]
    TooLong,
}

impl Glob {
    /// Checks a text.
    ///
    /// # Errors
    /// When it is empty or longer than 256 bytes.
    pub fn new(text: &str) -> Result<Self, InvalidGlob> {
        match text.len() {
            0 => Err(InvalidGlob::Empty),
            1..=MAX_PATTERN_BYTES => Ok(Self(text.into())),
            _ => Err(InvalidGlob::TooLong),
        }
    }

    /// Whether it fits a whole name. Takes time in proportion to both lengths multiplied, at most.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        let (mut pattern, mut text) = (self.0.chars(), name.chars());
        // Where the last `*` was, and what it stands for so far.
        let mut star: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
        loop {
            let mut ahead = pattern.clone();
            match (ahead.next(), text.clone().next()) {
                (Some('*'), _) => {
                    star = Some((ahead.clone(), text.clone()));
                    pattern = ahead;
                    continue;
                }
                (Some(wanted), Some(there)) if wanted == '?' || wanted == there => {
                    pattern = ahead;
                    text.next();
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            // The last `*` stands for one character more.
            let Some((after, from)) = &mut star else { return false };
            if from.next().is_none() {
                return false;
            }
            (pattern, text) = (after.clone(), from.clone());
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which tools of an instance clients see and may call.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ToolFilter {
    /// A tool must fit one of these; any does when there are none.
    pub show: Vec<Glob>,
    /// A tool must fit none of these.
    pub hide: Vec<Glob>,
}

impl ToolFilter {
    /// Whether a tool is shown.
    #[must_use]
    pub fn shows(&self, tool: &str) -> bool {
        // Servers that know a tool under another spelling are not asked by it.
        let plain = tool.replace(['/', '.'], "_");
        let fits = |glob: &Glob| glob.fits(tool) || glob.fits(&plain);
        (self.show.is_empty() || self.show.iter().any(fits)) && !self.hide.iter().any(fits)
    }

    /// Whether it lets everything through.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.show.is_empty() && self.hide.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, fitting, other) in [
            ("*", "", None),
            ("read_*", "read_", Some("read")),
            ("*_file", "read_file", Some("read_files")),
            ("a*b*c", "a-b-bc", Some("a-b-cb")),
            ("a?c", "aäc", Some("ac")),
            ("a**c", "ac", Some("a")),
            ("a.c", "a.c", Some("abc")),
            ("[a]", "[a]", Some("a")),
        ] {
            let glob = Glob::new(pattern).unwrap();
            assert!(glob.fits(fitting), "{pattern} {fitting}");
            assert!(other.is_none_or(|other| !glob.fits(other)), "{pattern} {other:?}");
        }
        assert_eq!(Glob::new(""), Err(InvalidGlob::Empty));
        assert_eq!(Glob::new(&"x".repeat(257)), Err(InvalidGlob::TooLong));
        // It ends soon, whatever it is made of.
        assert!(
            !Glob::new(&"*a".repeat(128)).unwrap().fits(&"a".repeat(20_000).replace("aaaa", "aaab")[..127])
        );
    }
}
