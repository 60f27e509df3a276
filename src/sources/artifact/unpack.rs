//! A tar.gz archive, unpacked into the file store.
//!
//! In: bytes. Out: names with digests, or the first name that an archive may not hold. Symbolic
//! links are remembered and not made; nothing is written outside the store, whatever a name says.
//!
//! Spec: fluxcd/pkg tar (Untar). Limits: those of a tree.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use tar::Archive;
use tar::EntryType;

use crate::model::limits;
use crate::sources::artifact::ArtifactError;
use crate::sources::artifact::files::FileStore;
use crate::sources::artifact::files::Item;
use crate::sources::artifact::files::Items;
use crate::sources::tree::TreeLimit;

/// Unpacks `bytes` into `store`; nothing is visible yet.
pub(super) fn unpack(store: &FileStore, bytes: impl Read) -> Result<Items, ArtifactError> {
    let wrong = |e: std::io::Error| ArtifactError::Archive { reason: e.to_string() };
    // Twice the limit leaves room for headers and ends a bomb.
    let unzipped = MultiGzDecoder::new(bytes).take(2 * limits::TREE_BYTES_MAX);
    let mut archive = Archive::new(unzipped);
    let mut items = Items::new();
    let mut left = limits::TREE_BYTES_MAX;
    let mut files = 0;
    for entry in archive.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let raw = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|e| ArtifactError::EntryName { name: e.to_string() })?;
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            continue;
        }
        let path = relative(&raw).ok_or_else(|| ArtifactError::EntryName { name: raw.clone() })?;
        let item = match kind {
            EntryType::Regular | EntryType::Continuous if !path.is_empty() => {
                files += 1;
                if files > limits::TREE_FILES_MAX {
                    return Err(TreeLimit::Files { max: limits::TREE_FILES_MAX }.into());
                }
                let executable = entry.header().mode().unwrap_or(0) & 0o111 != 0;
                let (sha256, bytes) = store.add(&mut entry, left)?;
                left -= bytes;
                Item::File { sha256, bytes, executable }
            }
            EntryType::Directory => Item::Directory,
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default();
                Item::Symlink { target: String::from_utf8_lossy(&target).into_owned() }
            }
            kind => {
                return Err(ArtifactError::EntryKind { name: raw, kind: format!("{kind:?}") });
            }
        };
        if !path.is_empty() {
            place(&mut items, path, item)?;
        }
    }
    Ok(items)
}

/// The name as a path from the root, which is empty; `None` when it may not stand in an archive.
fn relative(name: &str) -> Option<String> {
    if name.is_empty() || name.starts_with('/') || name.contains(['\\', '\0']) {
        return None;
    }
    let mut segments = Vec::new();
    for segment in name.split('/') {
        match segment {
            "" | "." => {}
            ".." => return None,
            segment => segments.push(segment),
        }
    }
    Some(segments.join("/"))
}

/// The last entry of a name wins, as on disk; a file cannot also be a directory.
fn place(items: &mut Items, path: String, item: Item) -> Result<(), ArtifactError> {
    let mut above = path.match_indices('/').map(|(at, _)| &path[..at]);
    let in_the_way = above.any(|parent| matches!(items.get(parent), Some(Item::File { .. })));
    let is_directory = matches!(items.get(&path), Some(Item::Directory))
        || items.range(format!("{path}/")..).next().is_some_and(|(next, _)| {
            next.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/'))
        });
    if in_the_way || (is_directory && matches!(item, Item::File { .. })) {
        let reason = format!("`{path}` is both a file and a directory");
        return Err(ArtifactError::Archive { reason });
    }
    if is_directory && matches!(item, Item::Symlink { .. }) {
        return Ok(());
    }
    items.insert(path, item);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        #[rustfmt::skip]
        let cases = [
            (".",          Some("")),
            ("a/b",        Some("a/b")),
            ("./a//b/",    Some("a/b")),
            ("",           None),
            ("/a",         None),
            ("../a",       None),
            ("a/../b",     None),
            ("a/..",       None),
            ("a\\b",       None),
            ("..a/b",      Some("..a/b")),
        ];
        for (name, want) in cases {
            assert_eq!(relative(name).as_deref(), want, "{name}");
        }
    }
}
