//! References to bases and files elsewhere: what they name, taken apart.
//!
//! A build never fetches. It returns the references that it lacks; the caller fetches them and
//! builds again. Upstream: `api/internal/git/repospec.go`.

use std::time::Duration;

use super::loader::clean;

/// Name of the one file in the tree that a fetched [`RemoteRef::File`] is given as; a tree without
/// it says that the URL has no file, so that it is then taken for a repository.
pub const REMOTE_FILE: &str = "content";

/// How long a fetch may take when a reference does not say.
const TIMEOUT: Duration = Duration::from_secs(27);

/// Something elsewhere that a build needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemoteRef {
    /// A Git repository at one reference.
    Git {
        /// What `git clone` takes.
        url: String,
        /// Branch, tag or commit; empty for the default branch.
        reference: String,
        /// Fetch submodules too.
        submodules: bool,
        /// How long the fetch may take.
        timeout: Duration,
    },
    /// A file over HTTP.
    File {
        /// Its URL.
        url: String,
    },
}

/// A repository and a directory in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RepoSpec {
    pub(crate) raw: String,
    pub(crate) host: String,
    pub(crate) repo_path: String,
    pub(crate) root_path: String,
    pub(crate) reference: String,
    pub(crate) submodules: bool,
    pub(crate) timeout: Duration,
}

impl RepoSpec {
    /// What is to be fetched.
    pub(crate) fn remote(&self) -> RemoteRef {
        RemoteRef::Git {
            url: self.clone_spec(),
            reference: self.reference.clone(),
            submodules: self.submodules,
            timeout: self.timeout,
        }
    }

    pub(crate) fn clone_spec(&self) -> String {
        format!("{}{}", self.host, self.repo_path)
    }

    /// Takes a reference apart; `None` when it names no repository.
    pub(crate) fn parse(raw: &str) -> Option<Self> {
        if raw.starts_with('/') {
            return None;
        }
        let (location, query) = raw.split_once('?').unwrap_or((raw, ""));
        let (reference, timeout, submodules) = parse_query(query);
        let (host, rest) = split_host(location)?;
        let whole = host.starts_with("file://");
        let (repo_path, root_path) = split_path(rest, whole)?;
        let inner = root_path.strip_prefix('/').unwrap_or(root_path.as_str());
        if repo_path.is_empty() || clean(inner).is_none() {
            return None;
        }
        let root_path = inner.to_owned();
        let raw = raw.to_owned();
        Some(Self { raw, host, repo_path, root_path, reference, submodules, timeout })
    }
}

/// Whether a path is fetched over HTTP.
pub(crate) fn is_http(path: &str) -> bool {
    let lower = path.get(..8).unwrap_or(path).to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://")
}

fn strip_prefix_any_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..).unwrap_or_default())
}

fn split_scheme(text: &str) -> (&'static str, &str) {
    for scheme in ["ssh://", "https://", "http://", "file://"] {
        if let Some(rest) = strip_prefix_any_case(text, scheme) {
            return (scheme, rest);
        }
    }
    ("", text)
}

/// `name@`, when the text starts so.
fn split_user(text: &str) -> (&str, &str) {
    let Some(at) = text.find('@') else { return ("", text) };
    let name = text.get(..at).unwrap_or_default();
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if fits { text.split_at(at + 1) } else { ("", text) }
}

/// Scheme, user and host with their separator; and what follows.
fn split_host(text: &str) -> Option<(String, &str)> {
    let text = strip_prefix_any_case(text, "git::").unwrap_or(text);
    let (scheme, rest) = split_scheme(text);
    let (user, after) = split_user(rest);
    let lower = after.get(..11).unwrap_or_default().to_ascii_lowercase();
    let github = lower == "github.com/" || lower == "github.com:";
    let scp = scheme.is_empty() && (!user.is_empty() || github);
    if scheme.is_empty() && !scp {
        return None;
    }
    if scheme == "file://" {
        return Some((scheme.to_owned(), rest));
    }
    let mut end = after.find('/');
    if scp
        && let Some(colon) = after.find(':')
        && (end.is_none() || (colon > 0 && end.is_some_and(|slash| colon < slash)))
    {
        end = Some(colon);
    }
    let (host, path) = match end {
        Some(end) => after.split_at(end + 1),
        None => (after, ""),
    };
    if github {
        let ssh = scheme == "ssh://" || !user.is_empty();
        let host =
            if ssh { format!("{user}github.com:") } else { "https://github.com/".to_owned() };
        return Some((host, path));
    }
    (!host.is_empty()).then(|| (format!("{scheme}{user}{host}"), path))
}

/// The repository's path and the directory within.
fn split_path(text: &str, whole: bool) -> Option<(String, String)> {
    let cut = |at: usize, skip: usize| {
        let (repo, rest) = (text.get(..at), text.get(at + skip..));
        (repo.unwrap_or_default().to_owned(), rest.unwrap_or_default().to_owned())
    };
    if let Some(at) = text.find("_git/") {
        let start = at + "_git/".len();
        let tail = text.get(start..).unwrap_or_default();
        return Some(match tail.find('/') {
            Some(slash) => cut(start + slash, 1),
            None => (text.to_owned(), String::new()),
        });
    }
    if let Some(at) = text.find("//") {
        return Some(cut(at, 2));
    }
    if let Some(at) = text.find(".git") {
        return Some(cut(at + ".git".len(), 0));
    }
    if whole {
        return Some((text.to_owned(), String::new()));
    }
    let first = text.find('/')?;
    let second = text.get(first + 1..)?.find('/').map(|at| first + 1 + at);
    Some(match second {
        Some(second) => cut(second, 1),
        None => (text.to_owned(), String::new()),
    })
}

fn parse_query(query: &str) -> (String, Duration, bool) {
    let (mut version, mut reference) = (String::new(), String::new());
    let (mut timeout, mut submodules) = (TIMEOUT, true);
    let mut seen = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if pair.contains(';') {
            return (String::new(), TIMEOUT, true);
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(key), Some(value)) = (unescape(key), unescape(value)) else {
            return (String::new(), TIMEOUT, true);
        };
        if seen.contains(&key) {
            continue; // the first of equal keys counts
        }
        match key.as_str() {
            "version" => version = value,
            "ref" => reference = value,
            "timeout" => timeout = parse_timeout(&value).unwrap_or(TIMEOUT),
            "submodules" => match value.as_str() {
                "1" | "t" | "T" | "TRUE" | "true" | "True" => submodules = true,
                "0" | "f" | "F" | "FALSE" | "false" | "False" => submodules = false,
                _ => {}
            },
            _ => {}
        }
        seen.push(key);
    }
    (if reference.is_empty() { version } else { reference }, timeout, submodules)
}

/// `%41` and `+` in a query.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whole seconds, or a duration like `1m30s`.
fn parse_timeout(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return (seconds > 0).then(|| Duration::from_secs(seconds));
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..end)?.parse().ok()?;
        let unit_text = rest.get(end..)?;
        let units =
            [("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6), ("ns", 1e-9), ("h", 3600.0), ("m", 60.0)];
        let (unit, seconds) =
            units.into_iter().chain([("s", 1.0)]).find(|(unit, _)| unit_text.starts_with(unit))?;
        total += number * seconds;
        rest = unit_text.get(unit.len()..)?;
    }
    (total > 0.0).then(|| Duration::try_from_secs_f64(total).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::RepoSpec;

    #[test]
    fn references_are_taken_apart() {
        #[rustfmt::skip]
        let cases: &[(&str, Option<(&str, &str, &str)>)] = &[
            ("https://github.com/org/repo/path/to?ref=v1", Some(("https://github.com/org/repo", "path/to", "v1"))),
            ("github.com/org/repo//base", Some(("https://github.com/org/repo", "base", ""))),
            ("git@github.com:org/repo.git/a?version=x", Some(("git@github.com:org/repo.git", "a", "x"))),
            ("ssh://git@host.xz/org/repo//a", Some(("ssh://git@host.xz/org/repo", "a", ""))),
            ("git@host:org/repo//a", Some(("git@host:org/repo", "a", ""))),
            ("https://dev.azure.com/o/p/_git/repo/x/y", Some(("https://dev.azure.com/o/p/_git/repo", "x/y", ""))),
            ("https://h/org/repo//../x", None),
            ("../base", None),
            ("base/dir", None),
            ("/abs", None),
            ("https://host/onlyone", None),
        ];
        for &(text, want) in cases {
            let found = RepoSpec::parse(text);
            let found = found.map(|s| (s.clone_spec(), s.root_path, s.reference));
            let want = want.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
            assert_eq!(found, want, "{text}");
        }
    }
}
