//! A repository in memory: objects, references, and commits of files.
//!
//! In: objects from pushes, files to commit. Out: object bytes, what is reachable, tree contents.
//!
//! Pure but for the time of commits, which is handed in. Objects are never removed.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;

use bytes::Bytes;
use gix::hash::ObjectId;

/// An object's kind.
pub(crate) use gix::objs::Kind;

/// An object: its kind and its bytes without header.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) data: Bytes,
}

/// A file's mode as trees write it, and the object that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    mode: String,
    id: ObjectId,
}

/// Objects and references.
#[derive(Debug)]
pub(crate) struct Repository {
    objects: HashMap<ObjectId, Object>,
    pub(crate) refs: BTreeMap<String, ObjectId>,
    /// What `HEAD` points to.
    pub(crate) head: String,
}

/// The commit that a tag points to, and the parents and tree of a commit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    pub(crate) tree: Option<ObjectId>,
    pub(crate) parents: Vec<ObjectId>,
    target: Option<ObjectId>,
}

impl Repository {
    /// An empty repository whose branch will be `main`.
    pub(crate) fn new() -> Self {
        let head = "refs/heads/main".to_owned();
        Self { objects: HashMap::new(), refs: BTreeMap::new(), head }
    }

    /// An object.
    pub(crate) fn get(&self, id: &ObjectId) -> Option<&Object> {
        self.objects.get(id)
    }

    /// Adds an object under its hash.
    pub(crate) fn add(&mut self, kind: Kind, data: Bytes) -> ObjectId {
        let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, &data)
            .expect("SHA-1 fails on collision attacks only, and these are the sandbox's own bytes");
        self.objects.insert(id, Object { kind, data });
        id
    }

    /// Where a commit or tag leads.
    pub(crate) fn links(&self, id: &ObjectId) -> Links {
        let mut links = Links::default();
        let Some(object) = self.objects.get(id) else { return links };
        if !matches!(object.kind, Kind::Commit | Kind::Tag) {
            return links;
        }
        let text = String::from_utf8_lossy(&object.data);
        for line in text.lines().take_while(|line| !line.is_empty()) {
            let Some((name, rest)) = line.split_once(' ') else { continue };
            let Ok(found) = ObjectId::from_hex(rest.as_bytes()) else { continue };
            match name {
                "tree" => links.tree = Some(found),
                "parent" => links.parents.push(found),
                "object" => links.target = Some(found),
                _ => {}
            }
        }
        links
    }

    /// What an annotated tag points to in the end, when `id` is one.
    pub(crate) fn peeled(&self, id: &ObjectId) -> Option<ObjectId> {
        let target = self.links(id).target?;
        Some(self.peeled(&target).unwrap_or(target))
    }

    fn tree(&self, id: &ObjectId) -> BTreeMap<String, Entry> {
        let mut entries = BTreeMap::new();
        let Some(object) = self.objects.get(id) else { return entries };
        let mut rest = &object.data[..];
        while let Some(end) = rest.iter().position(|byte| *byte == 0) {
            let Some(hash) = rest.get(end + 1..end + 21) else { break };
            let header = String::from_utf8_lossy(&rest[..end]).into_owned();
            if let (Some((mode, name)), Ok(id)) = (header.split_once(' '), ObjectId::try_from(hash))
            {
                entries.insert(name.to_owned(), Entry { mode: mode.to_owned(), id });
            }
            rest = &rest[end + 21..];
        }
        entries
    }

    /// Adds everything below a tree to `seen`.
    pub(crate) fn walk_tree(&self, id: &ObjectId, seen: &mut BTreeSet<ObjectId>) {
        if !seen.insert(*id) {
            return;
        }
        for entry in self.tree(id).values() {
            match entry.mode.as_str() {
                "40000" => self.walk_tree(&entry.id, seen),
                // A submodule's commit is not ours.
                "160000" => {}
                _ => drop(seen.insert(entry.id)),
            }
        }
    }

    fn files(&self, tree: &ObjectId, prefix: &str, found: &mut BTreeMap<String, Entry>) {
        for (name, entry) in self.tree(tree) {
            let path = format!("{prefix}{name}");
            if entry.mode == "40000" {
                self.files(&entry.id, &format!("{path}/"), found);
            } else {
                found.insert(path, entry);
            }
        }
    }

    fn write_tree(&mut self, files: &BTreeMap<String, Entry>) -> ObjectId {
        let mut here: BTreeMap<String, Entry> = BTreeMap::new();
        let mut below: BTreeMap<String, BTreeMap<String, Entry>> = BTreeMap::new();
        for (path, entry) in files {
            match path.split_once('/') {
                Some((folder, rest)) => {
                    below
                        .entry(folder.to_owned())
                        .or_default()
                        .insert(rest.to_owned(), entry.clone());
                }
                None => drop(here.insert(path.clone(), entry.clone())),
            }
        }
        for (folder, inner) in below {
            let id = self.write_tree(&inner);
            // Trees are sorted as if the names of folders ended in a slash.
            here.insert(format!("{folder}/"), Entry { mode: "40000".to_owned(), id });
        }
        let mut data = Vec::new();
        for (name, entry) in here {
            let name = name.trim_end_matches('/');
            data.extend_from_slice(format!("{} {name}\0", entry.mode).as_bytes());
            data.extend_from_slice(entry.id.as_slice());
        }
        self.add(Kind::Tree, data.into())
    }

    /// Commits `changes` to a branch: `None` removes a file. The author is the sandbox.
    pub(crate) fn commit(
        &mut self,
        branch: &str,
        message: &str,
        changes: &[(&str, Option<&[u8]>)],
        seconds: i64,
    ) -> ObjectId {
        let reference = format!("refs/heads/{branch}");
        let parent = self.refs.get(&reference).copied();
        let mut files = BTreeMap::new();
        if let Some(tree) = parent.and_then(|parent| self.links(&parent).tree) {
            self.files(&tree, "", &mut files);
        }
        for (path, content) in changes {
            let path = path.trim_matches('/');
            match content {
                Some(content) => {
                    let id = self.add(Kind::Blob, Bytes::copy_from_slice(content));
                    // A file takes the place of a folder of its name.
                    files.retain(|known, _| !known.starts_with(&format!("{path}/")));
                    files.insert(path.to_owned(), Entry { mode: "100644".to_owned(), id });
                }
                None => {
                    let folder = format!("{path}/");
                    files.retain(|known, _| known != path && !known.starts_with(&folder));
                }
            }
        }
        let tree = self.write_tree(&files);
        let mut text = format!("tree {tree}\n");
        if let Some(parent) = parent {
            text.push_str(&format!("parent {parent}\n"));
        }
        let who = format!("sandbox <sandbox@localhost> {seconds} +0000");
        text.push_str(&format!("author {who}\ncommitter {who}\n\n{}\n", message.trim_end()));
        let id = self.add(Kind::Commit, text.into_bytes().into());
        self.refs.insert(reference, id);
        id
    }

    /// Whether everything that `id` leads to is here.
    pub(crate) fn is_complete(&self, id: &ObjectId) -> bool {
        let mut seen = BTreeSet::new();
        let mut due = vec![*id];
        while let Some(id) = due.pop() {
            if !seen.insert(id) {
                continue;
            }
            if !self.objects.contains_key(&id) {
                return false;
            }
            let links = self.links(&id);
            due.extend(links.parents);
            due.extend(links.target);
            let mut below = BTreeSet::new();
            if let Some(tree) = links.tree {
                self.walk_tree(&tree, &mut below);
            }
            if below.iter().any(|id| !self.objects.contains_key(id)) {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_build_on_each_other() {
        let mut repository = Repository::new();
        let put: &[(&str, Option<&[u8]>)] =
            &[("a/b.txt", Some(b"1".as_slice())), ("a.txt", Some(b"2".as_slice()))];
        let first = repository.commit("main", "first", put, 0);
        let second = repository.commit("main", "second", &[("a", None)], 1);
        let links = repository.links(&second);
        assert_eq!(links.parents, [first]);
        let mut files = BTreeMap::new();
        repository.files(&links.tree.expect("a commit has a tree"), "", &mut files);
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a.txt"]);
        assert!(repository.is_complete(&second));
        assert_eq!(repository.refs["refs/heads/main"], second);
    }

    #[test]
    fn a_known_blob_has_the_hash_that_git_gives_it() {
        let mut repository = Repository::new();
        let id = repository.add(Kind::Blob, Bytes::from_static(b"hello\n"));
        assert_eq!(id.to_string(), "ce013625030ba8dba906f756967f9e9ca394464a");
    }
}
