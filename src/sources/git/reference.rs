//! References of a GitRepository, and the revision texts that they come to.
//!
//! In: `spec.ref`. Out: the one thing that it names, in Flux's implemented precedence
//! (commit > name > tag > semver > branch; the API's documentation has semver before tag).
//! Pure.

use crate::sources::git::GitError;
use crate::sources::git::range::Range;

/// The branch when nothing is set.
const BRANCH_DEFAULT: &str = "master";

/// `spec.ref`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitReference {
    /// A branch's short name.
    pub branch: Option<String>,
    /// A tag's short name.
    pub tag: Option<String>,
    /// A range of versions over tags.
    pub semver: Option<String>,
    /// A full reference, such as `refs/pull/1/head`.
    pub name: Option<String>,
    /// A commit id.
    pub commit: Option<String>,
}

/// What a reference names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One commit, said to be on a branch.
    Commit {
        /// Its id in hexadecimal, lower case.
        id: String,
        /// The branch, for the revision's text.
        branch: Option<String>,
    },
    /// A full reference, possibly with `^{}`.
    Name(String),
    /// A tag.
    Tag(String),
    /// The highest tag in a range.
    Semver {
        /// The range as written.
        text: String,
        /// The range.
        range: Range,
    },
    /// A branch.
    Branch(String),
}

impl GitReference {
    /// What this names.
    pub fn target(&self) -> Result<Target, GitError> {
        let set = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
        if let Some(id) = set(&self.commit) {
            let id = id.to_ascii_lowercase();
            let hex = id.bytes().all(|b| b.is_ascii_hexdigit());
            if !hex || !matches!(id.len(), 40 | 64) {
                return Err(GitError::CommitId { id });
            }
            return Ok(Target::Commit { id, branch: set(&self.branch) });
        }
        if let Some(name) = set(&self.name) {
            if name.starts_with('/') || name.ends_with('/') {
                return Err(GitError::NameInvalid { name });
            }
            return Ok(Target::Name(name));
        }
        if let Some(tag) = set(&self.tag) {
            return Ok(Target::Tag(tag));
        }
        if let Some(text) = set(&self.semver) {
            let range = Range::parse(&text).map_err(|reason| GitError::Semver { reason })?;
            return Ok(Target::Semver { text, range });
        }
        let branch = set(&self.branch).unwrap_or_else(|| BRANCH_DEFAULT.to_owned());
        Ok(Target::Branch(branch))
    }
}

/// `<algorithm>:<id>`: the algorithm follows from the id's length.
fn digest(id: &str) -> String {
    let algorithm = if id.len() == 64 { "sha256" } else { "sha1" };
    format!("{algorithm}:{id}")
}

/// The revision of commit `id` found under `name` (a short name, or a full reference).
pub(crate) fn revision(name: &str, id: &str) -> String {
    format!("{name}@{}", digest(id))
}

/// The revision of a commit that was asked for by its id.
pub(crate) fn commit_revision(branch: Option<&str>, id: &str) -> String {
    branch.map_or_else(|| digest(id), |branch| revision(branch, id))
}

/// The present form of a revision; the forms of older releases (`main/<id>`, `HEAD/<id>`, `<id>`)
/// are converted, anything else is returned as it is.
pub fn canonical_revision(text: &str) -> String {
    let is_id = |id: &str| {
        matches!(id.len(), 40 | 64) && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    if text.contains(':') {
        return text.to_owned();
    }
    if is_id(text) {
        return digest(text);
    }
    match text.rsplit_once('/') {
        Some(("HEAD", id)) if is_id(id) => digest(id),
        Some((name, id)) if is_id(id) => revision(name, id),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn reference(fields: &[(&str, &str)]) -> GitReference {
        let field = |name: &str| {
            fields.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        GitReference {
            branch: field("branch"),
            tag: field("tag"),
            semver: field("semver"),
            name: field("name"),
            commit: field("commit"),
        }
    }

    #[test]
    fn precedence() {
        let all = [
            ("commit", ID),
            ("name", "refs/pull/1/head"),
            ("tag", "v1"),
            ("semver", "1.x"),
            ("branch", "main"),
        ];
        let kind = |from: usize| match reference(&all[from..]).target().expect("valid") {
            Target::Commit { branch, .. } => format!("commit on {branch:?}"),
            Target::Name(name) => name,
            Target::Tag(tag) => tag,
            Target::Semver { text, .. } => text,
            Target::Branch(branch) => branch,
        };
        assert_eq!(kind(0), "commit on Some(\"main\")");
        assert_eq!(kind(1), "refs/pull/1/head");
        assert_eq!(kind(2), "v1");
        assert_eq!(kind(3), "1.x");
        assert_eq!(kind(4), "main");
        assert_eq!(kind(5), "master");
    }

    #[test]
    fn revisions() {
        let long = "0".repeat(64);
        assert_eq!(revision("feature/x", ID), format!("feature/x@sha1:{ID}"));
        assert_eq!(commit_revision(None, ID), format!("sha1:{ID}"));
        assert_eq!(commit_revision(Some("main"), &long), format!("main@sha256:{long}"));
    }

    #[test]
    fn older_revisions_are_converted() {
        #[rustfmt::skip]
        let cases = [
            (format!("main/{ID}"),      format!("main@sha1:{ID}")),
            (format!("a/b/{ID}"),       format!("a/b@sha1:{ID}")),
            (format!("HEAD/{ID}"),      format!("sha1:{ID}")),
            (ID.to_owned(),             format!("sha1:{ID}")),
            (format!("main@sha1:{ID}"), format!("main@sha1:{ID}")),
            ("v1.0.0".to_owned(),       "v1.0.0".to_owned()),
        ];
        for (old, new) in cases {
            assert_eq!(canonical_revision(&old), new);
        }
    }

    #[test]
    fn a_commit_has_to_be_an_id() {
        for id in ["main", "abc", &ID[1..]] {
            assert!(reference(&[("commit", id)]).target().is_err(), "{id}");
        }
    }
}
