//! URLs as messages show them: without what may be a secret.

/// Parameters of a query that say what is meant, and so are shown.
const SHOWN: &[&str] = &["ref", "version", "timeout", "submodules", "depth"];
const HIDDEN: &str = "[redacted]";
/// What stands for the end of a URL inside a text.
const ENDS: &[char] = &['\'', '"', '`', '<', '>', ',', ';', ')', ']'];

/// `url` without name and password, and with the values of its query hidden unless they are known
/// to be none.
pub fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    let rest = match rest[..end].rfind('@') {
        // The user of an ssh URL is no secret, a password is.
        Some(at) if scheme == "ssh" && !rest[..at].contains(':') => rest,
        Some(at) => &rest[at + 1..],
        None => rest,
    };
    match rest.split_once('?') {
        None => format!("{scheme}://{rest}"),
        Some((path, query)) => format!("{scheme}://{path}?{}", hidden(query)),
    }
}

fn hidden(query: &str) -> String {
    let parts = query.split('&').map(|part| match part.split_once('=') {
        Some((name, _)) if !SHOWN.contains(&name) => format!("{name}={HIDDEN}"),
        Some(_) => part.to_owned(),
        None if part.is_empty() => String::new(),
        None => HIDDEN.to_owned(),
    });
    parts.collect::<Vec<_>>().join("&")
}

/// `text` in which every URL is [`without_credentials`].
pub fn hide_credentials(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let start = rest[..at]
            .rfind(|c| !is_scheme(c))
            .map_or(0, |before| before + rest[before..].chars().next().map_or(1, char::len_utf8));
        let is_end = |c: char| c.is_whitespace() || ENDS.contains(&c);
        let end = rest[at + 3..].find(is_end).map_or(rest.len(), |end| at + 3 + end);
        shown.push_str(&rest[..start]);
        shown.push_str(&without_credentials(&rest[start..end]));
        rest = &rest[end..];
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_their_credentials() {
        #[rustfmt::skip]
        let cases = [
            ("https://u:p@h/r",                 "https://h/r"),
            ("https://token@h/r",               "https://h/r"),
            ("https://u:p@x@h/r@2",             "https://h/r@2"),
            ("https://h/r@2",                   "https://h/r@2"),
            ("ssh://git@h/r",                   "ssh://git@h/r"),
            ("ssh://git:p@h/r",                 "ssh://h/r"),
            ("https://h/r?token=t&x",           "https://h/r?token=[redacted]&[redacted]"),
            ("https://h/r//p?ref=v1&timeout=9", "https://h/r//p?ref=v1&timeout=9"),
            ("git@h:r",                         "git@h:r"),
        ];
        for (url, want) in cases {
            assert_eq!(without_credentials(url), want);
        }
    }

    #[test]
    fn texts_lose_the_credentials_of_their_urls() {
        #[rustfmt::skip]
        let cases = [
            ("no url at all",                         "no url at all"),
            ("cannot get 'https://u:p@h/r': refused", "cannot get 'https://h/r': refused"),
            ("é https://t@h/r?k=v https://a:b@c",     "é https://h/r?k=[redacted] https://c"),
            ("a://",                                  "a://"),
        ];
        for (text, want) in cases {
            assert_eq!(hide_credentials(text), want);
        }
    }
}
