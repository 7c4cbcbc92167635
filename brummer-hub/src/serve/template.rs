//! URI templates (RFC 6570), as far as resources need them: does a URI fit, and what stands for the variables.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// The variables of `uri`, decoded, if it fits. `{name}` stands for at least one character up to what follows it in the
/// template, without `/`; `{+name}` and `{name*}` may have `/`. Each takes as little as it can, the last one all the rest.
pub(super) fn fit(template: &str, uri: &str) -> Option<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    let (mut template, mut uri) = (template, uri);
    while let Some((literal, rest)) = template.split_once('{') {
        let (expression, after) = rest.split_once('}')?;
        uri = uri.strip_prefix(literal)?;
        let next = after.split('{').next().unwrap_or_default();
        let end = match next {
            "" => uri.len(),
            // At the end of the template the literal is the end of the URI.
            _ if next.len() == after.len() => uri.len().checked_sub(next.len())?,
            _ => uri.find(next)?,
        };
        let value = uri.get(..end).filter(|value| !value.is_empty())?;
        let name = expression.trim_start_matches(['+', '#', '.', '/', ';', '?', '&']);
        let slashes = expression.starts_with('+') || name.ends_with('*');
        if !slashes && value.contains('/') {
            return None;
        }
        let decoded = percent_decode_str(value).decode_utf8().ok()?;
        variables.insert(name.trim_end_matches('*').to_owned(), decoded.into_owned());
        (template, uri) = (after, &uri[end..]);
    }
    (template == uri).then_some(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(template: &str, uri: &str) -> Option<String> {
        let variables = fit(template, uri)?;
        let variables = variables.into_iter().map(|(name, value)| format!("{name}={value}"));
        Some(variables.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn uris_fit_templates() {
        for (template, uri, wanted) in [
            ("note://{name}", "note://welcome", Some("name=welcome")),
            ("note://{name}", "note://a%20b", Some("name=a b")),
            ("test://template/{id}/data", "test://template/7/data", Some("id=7")),
            ("logs://{process}/{stream}", "logs://web/stderr", Some("process=web stream=stderr")),
            ("file:///{+path}", "file:///a/b.txt", Some("path=a/b.txt")),
            ("file:///{path*}", "file:///a/b.txt", Some("path=a/b.txt")),
            ("plain://", "plain://", Some("")),
            ("{a}.{b}", "x.y.z", Some("a=x b=y.z")),
            ("note://{name}", "note://", None),
            ("note://{name}", "note://a/b", None),
            ("note://{name}", "other://a", None),
            ("test://{id}/data", "test://7/date", None),
            ("test://{id}/data", "data", None),
            ("a{b", "ab", None),
        ] {
            assert_eq!(fitted(template, uri).as_deref(), wanted, "{template} {uri}");
        }
    }
}
