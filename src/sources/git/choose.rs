//! Which commit a reference names, from the host's list of references.
//!
//! In: what `spec.ref` names and the host's list. Out: a commit and the revision's text, or the
//! error that Flux gives. Tags are peeled; of tags with equal versions the last committed wins. Not
//! here: the exchange (`remote.rs`), precedence (`reference.rs`).

use std::cmp::Ordering;

use gix::hash::ObjectId;

use crate::model::url::without_credentials;
use crate::sources::git::Fetch;
use crate::sources::git::GitError;
use crate::sources::git::Target;
use crate::sources::git::range::Range;
use crate::sources::git::range::Version;
use crate::sources::git::reference;
use crate::sources::git::remote::Remote;
use crate::sources::git::remote::RemoteRef;

/// What a reference names.
pub(super) struct Chosen {
    /// The commit.
    pub(super) commit: ObjectId,
    /// Flux's text for it.
    pub(super) revision: String,
    /// The host may refuse to give the commit alone: take the history that holds it.
    pub(super) whole_history: bool,
}

/// Finds what `target` names.
pub(super) fn choose(
    fetch: &Fetch<'_>,
    remote: &mut Remote,
    target: &Target,
) -> Result<Chosen, GitError> {
    let url = &fetch.request.url;
    match target {
        Target::Branch(branch) => {
            let full = format!("refs/heads/{branch}");
            let refs = remote.list(&[&full])?;
            match find(&refs, &full) {
                Some(found) => Ok(chosen(branch, found)),
                None if remote.is_empty()? => Err(GitError::Empty),
                None => Err(not_found(url, full)),
            }
        }
        Target::Tag(tag) => {
            let full = format!("refs/tags/{tag}");
            let refs = remote.list(&[&full])?;
            match find(&refs, &full) {
                Some(found) => Ok(chosen(tag, found)),
                None => Err(missing(remote, url, full)?),
            }
        }
        Target::Name(name) => {
            let full = name.strip_suffix("^{}").unwrap_or(name);
            let refs = remote.list(&[full])?;
            find(&refs, full)
                .map(|found| chosen(name, found))
                .ok_or_else(|| GitError::NameNotFound { name: name.clone() })
        }
        Target::Semver { text, range } => choose_version(fetch, remote, text, range),
        Target::Commit { id, branch } => {
            if let Some(branch) = branch {
                let full = format!("refs/heads/{branch}");
                let refs = remote.list(&[&full])?;
                if find(&refs, &full).is_none() {
                    return Err(missing(remote, url, full)?);
                }
            }
            let commit = ObjectId::from_hex(id.as_bytes())
                .map_err(|_| GitError::CommitId { id: id.clone() })?;
            let revision = reference::commit_revision(branch.as_deref(), id);
            Ok(Chosen { commit, revision, whole_history: true })
        }
    }
}

fn find<'a>(refs: &'a [RemoteRef], name: &str) -> Option<&'a RemoteRef> {
    refs.iter().find(|candidate| candidate.name == name)
}

fn chosen(name: &str, found: &RemoteRef) -> Chosen {
    let revision = reference::revision(name, &found.commit.to_string());
    Chosen { commit: found.commit, revision, whole_history: false }
}

fn not_found(url: &str, reference: String) -> GitError {
    GitError::ReferenceNotFound { url: without_credentials(url), reference }
}

/// A repository without any commit is reported as such, not as one without that tag.
fn missing(remote: &mut Remote, url: &str, reference: String) -> Result<GitError, GitError> {
    if !remote.is_empty()? {
        return Ok(not_found(url, reference));
    }
    let reason = "remote repository is empty".to_owned();
    Ok(GitError::RepositoryNotFound { reason, url: without_credentials(url) })
}

fn choose_version(
    fetch: &Fetch<'_>,
    remote: &mut Remote,
    text: &str,
    range: &Range,
) -> Result<Chosen, GitError> {
    let refs = remote.list(&["refs/tags/"])?;
    let mut best: Vec<(&str, &RemoteRef)> = Vec::new();
    let mut highest: Option<Version> = None;
    for found in &refs {
        let Some(tag) = found.name.strip_prefix("refs/tags/") else { continue };
        let Some(version) = Version::parse(tag).filter(|version| range.contains(version)) else {
            continue;
        };
        match highest.as_ref().map_or(Ordering::Greater, |highest| version.order(highest)) {
            Ordering::Less => continue,
            Ordering::Equal => {}
            Ordering::Greater => best.clear(),
        }
        highest = Some(version);
        best.push((tag, found));
    }
    if best.is_empty() && remote.is_empty()? {
        return Err(missing(remote, &fetch.request.url, "refs/tags/".to_owned())?);
    }
    if best.len() > 1 {
        // Build metadata does not order versions: the commit's time does.
        let commits: Vec<ObjectId> = best.iter().map(|(_, found)| found.commit).collect();
        fetch.bring(remote, &commits, false)?;
        let mut timed = Vec::with_capacity(best.len());
        for (tag, found) in best {
            let (commit, _) = fetch.store.commit(&fetch.repository, &found.commit)?;
            timed.push((commit.time, tag, found));
        }
        timed.sort_by_key(|(time, tag, _)| (*time, *tag));
        best = timed.into_iter().map(|(_, tag, found)| (tag, found)).collect();
    }
    best.last()
        .map(|(tag, found)| chosen(tag, found))
        .ok_or_else(|| GitError::NoVersion { range: text.to_owned() })
}
