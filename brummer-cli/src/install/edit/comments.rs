//! What people have written beside the values.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::install::clients::Format;

/// All comments of a text, without what stands around them.
pub(super) fn all(format: Format, text: &str) -> Vec<&str> {
    let is_json = matches!(format, Format::Json { .. });
    let (mut found, mut from) = (Vec::new(), 0);
    // The mark that ends the quotes in which we are.
    let mut quote: Option<char> = None;
    let mut before = '\n';
    while let Some(char) = text[from..].chars().next() {
        let rest = &text[from..];
        let comment = match quote {
            None if is_json && rest.starts_with("/*") => {
                Some(rest.find("*/").map_or(rest.len(), |end| end + 2))
            }
            None if is_json && rest.starts_with("//")
                || !is_json && char == '#' && is_open(format, before) =>
            {
                Some(rest.find('\n').unwrap_or(rest.len()))
            }
            _ => None,
        };
        if let Some(length) = comment {
            found.push(rest[..length].trim());
            from += length;
            before = ' ';
            continue;
        }
        match quote {
            Some('"') if char == '\\' => from += rest[1..].chars().next().map_or(0, char::len_utf8),
            Some(open) if char == open || char == '\n' => quote = None,
            None if char == '"' || !is_json && char == '\'' && !before.is_alphanumeric() => {
                quote = Some(char);
            }
            _ => {}
        }
        from += char.len_utf8();
        before = char;
    }
    found
}

/// Whether a comment may begin behind this character.
fn is_open(format: Format, before: char) -> bool {
    format != Format::Yaml || before.is_whitespace()
}

/// The new text with the lines of the old one that hold a comment and nothing else.
pub(super) fn kept(format: Format, old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let mut text = String::new();
    for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
        let (had, has) = (&old[op.old_range()], &new[op.new_range()]);
        text.extend(has.iter().copied());
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let is_there = |line: &str| has.iter().any(|has| has.trim() == line.trim());
        for line in had.iter().filter(|line| is_comment(format, line) && !is_there(line)) {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text += line;
        }
    }
    text
}

fn is_comment(format: Format, line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && all(format, line) == [line]
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: Format = Format::Json { comments: true, trailing_commas: true };

    #[test]
    fn comments_are_told_from_what_looks_like_one() {
        for (format, text, expected) in [
            (
                JSON,
                "// a\n{ \"x\": \"http://y \\\" // z\", /* b\nc */ \"#\": 1 } // d",
                &["// a", "/* b\nc */", "// d"][..],
            ),
            (Format::Toml, "# a\nx = \"# b\" # c\ny = 'it\\' # d\nz=1# e\n", &["# a", "# c", "# d", "# e"]),
            (
                Format::Yaml,
                "# a\nx: it's http://y/#z # b\ny: \"# c\"\nz: '# d' # e\n",
                &["# a", "# b", "# e"],
            ),
            (JSON, "/* never ended", &["/* never ended"]),
            (JSON, "\"\\", &[]),
        ] {
            assert_eq!(all(format, text), expected, "{text}");
        }
    }

    #[test]
    fn lines_of_comments_stay_and_others_go() {
        for (old, new, expected) in [
            ("# a\n[x]\ny = 1 # b\n# c\n", "", "# a\n# c\n"),
            ("a = 1\n# b\n[x]\n[z]\n", "a = 1\n[z]\n", "a = 1\n# b\n[z]\n"),
            ("[x]\n# b", "", "# b"),
            ("a = 1\n[x]\n# b", "a = 1", "a = 1\n# b"),
        ] {
            assert_eq!(kept(Format::Toml, old, new), expected, "{old}");
        }
    }
}
