//! Reading files the way a kustomization may: relative to its directory, within bounds, recorded.
//!
//! Symbolic links are followed inside the tree only. Each path that a build asks for is recorded,
//! absent ones too: that is the build's read set. Upstream: `api/internal/loader`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::remote::RepoSpec;
use crate::model::ContentId;
use crate::model::Entry;
use crate::model::FileTree;
use crate::model::LeftOut;
use crate::model::TreeError;

/// Most links that one path may lead through (Linux: 40).
const LINKS_MAX: usize = 40;

/// What a build read: each path with what stood there, `None` where nothing did.
///
/// A build is to be done again when, and only when, one of these changes.
pub type ReadSet = BTreeMap<String, Option<ContentId>>;

/// Where a kustomization may read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Load {
    /// Files inside the kustomization's own directory, bases anywhere in the tree.
    #[default]
    RootOnly,
    /// Files and bases anywhere in the tree.
    WithinTree,
}

/// `path` without `.`, `..` and doubled separators; `None` when it leads above its start.
pub(crate) fn clean(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// `path` seen from the directory `from`; `None` when it leads out of the tree.
pub(crate) fn join(from: &str, path: &str) -> Option<String> {
    if from.is_empty() { clean(path) } else { clean(&format!("{from}/{path}")) }
}

/// Whether `path` is `directory` or lies below it.
pub(crate) fn is_within(path: &str, directory: &str) -> bool {
    directory.is_empty()
        || path == directory
        || path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// What stands at the end of a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    File(String, ContentId),
    Directory(String),
    Absent,
    /// The path leads out of the tree.
    Outside,
}

/// One tree with a record of what was read from it.
pub(crate) struct Tree<'t> {
    tree: &'t dyn FileTree,
    /// The tree's root as users know it; `/` when a path of the tree is a path of the machine.
    pub(crate) shown_root: String,
    reads: Option<RefCell<ReadSet>>,
    /// What the bases under way have read, the outermost first.
    frames: RefCell<Vec<Frame>>,
    /// Directories that were found where a file was looked for, and not entered since.
    directories: RefCell<BTreeSet<String>>,
}

/// What was read, and which directories were entered, since a base was begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    pub(crate) reads: ReadSet,
    /// Directories of the bases and components inside.
    pub(crate) roots: Vec<String>,
}

impl<'t> Tree<'t> {
    /// A tree whose reads are recorded.
    pub(crate) fn recorded(tree: &'t dyn FileTree, shown_root: &str) -> Self {
        Self {
            tree,
            shown_root: shown_root.to_owned(),
            reads: Some(RefCell::default()),
            frames: RefCell::default(),
            directories: RefCell::default(),
        }
    }

    /// A fetched tree: its reference names its content, so reads need no record.
    pub(crate) fn fetched(tree: &'t dyn FileTree, shown_root: &str) -> Self {
        Self {
            tree,
            shown_root: shown_root.to_owned(),
            reads: None,
            frames: RefCell::default(),
            directories: RefCell::default(),
        }
    }

    pub(crate) fn reads(&self) -> ReadSet {
        self.reads.as_ref().map(|reads| reads.borrow().clone()).unwrap_or_default()
    }

    /// What was read, and directories too that stand where a file was looked for: a build that
    /// succeeds found a kustomization in each, one that fails may have wanted a file there.
    pub(crate) fn reads_of_failure(&self) -> ReadSet {
        let mut reads = self.reads();
        for path in self.directories.borrow().iter() {
            if let Ok(Some(Entry::Directory { id })) = self.tree.entry(path) {
                reads.entry(path.clone()).or_insert(Some(id));
            }
        }
        reads
    }

    fn record(&self, path: &str, id: Option<&ContentId>) {
        if let Some(reads) = &self.reads {
            reads.borrow_mut().insert(path.to_owned(), id.cloned());
        }
        if let Some(frame) = self.frames.borrow_mut().last_mut() {
            frame.reads.insert(path.to_owned(), id.cloned());
        }
    }

    /// Whether reads from this tree are recorded: those of fetched ones are not.
    pub(crate) fn is_recorded(&self) -> bool {
        self.reads.is_some()
    }

    /// Begins to note what a base reads.
    pub(crate) fn open_frame(&self) {
        self.frames.borrow_mut().push(Frame::default());
    }

    /// What the base has read; the one around it has read that too.
    pub(crate) fn close_frame(&self) -> Frame {
        let mut frames = self.frames.borrow_mut();
        let frame = frames.pop().unwrap_or_default();
        if let Some(around) = frames.last_mut() {
            around.reads.extend(frame.reads.clone());
            around.roots.extend_from_slice(&frame.roots);
        }
        frame
    }

    /// Takes what a base read in an earlier build for read now.
    pub(crate) fn repeat(&self, frame: &Frame) {
        for (path, id) in &frame.reads {
            self.record(path, id.as_ref());
        }
        if let Some(around) = self.frames.borrow_mut().last_mut() {
            around.roots.extend_from_slice(&frame.roots);
        }
    }

    /// Whether everything stands as it was read.
    pub(crate) fn is_as_read(&self, reads: &ReadSet) -> bool {
        reads.iter().all(|(path, id)| match self.tree.entry(path) {
            Ok(Some(Entry::File { id: now })) => id.as_ref() == Some(&now),
            Ok(Some(Entry::Symlink { target })) => id.as_ref() == Some(&link_id(&target)),
            Ok(None) => id.is_none(),
            Ok(Some(Entry::Directory { .. })) | Err(_) => false,
        })
    }

    /// The path as users know it.
    pub(crate) fn shown(&self, path: &str) -> String {
        match (self.shown_root.trim_end_matches('/'), path) {
            ("", "") => "/".to_owned(),
            (root, "") => root.to_owned(),
            (root, path) => format!("{root}/{path}"),
        }
    }

    /// The part of an absolute path below the tree's root.
    fn inside(&self, absolute: &str) -> Option<String> {
        let path = clean(absolute)?;
        let root = clean(&self.shown_root)?;
        if !self.shown_root.starts_with('/') || !is_within(&path, &root) {
            return None;
        }
        Some(path.get(root.len()..)?.trim_start_matches('/').to_owned())
    }

    /// What stands at a clean path, links followed.
    pub(crate) fn find(&self, path: &str) -> Result<Found> {
        match self.tree.entry(path).map_err(tree_error)? {
            Some(Entry::File { id }) => {
                self.record(path, Some(&id));
                return Ok(Found::File(path.to_owned(), id));
            }
            Some(Entry::Directory { .. }) => return Ok(Found::Directory(path.to_owned())),
            Some(Entry::Symlink { .. }) | None => {}
        }
        self.follow(path)
    }

    /// Walks a path part by part, through links.
    fn follow(&self, path: &str) -> Result<Found> {
        let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut at = String::new();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            let Some(next) = join(&at, &part) else { return Ok(Found::Outside) };
            match self.tree.entry(&next).map_err(tree_error)? {
                None => {
                    self.record(&next, None);
                    return Ok(Found::Absent);
                }
                Some(Entry::Directory { .. }) => at = next,
                Some(Entry::File { id }) if rest.is_empty() => {
                    self.record(&next, Some(&id));
                    return Ok(Found::File(next, id));
                }
                Some(Entry::File { id }) => {
                    self.record(&next, Some(&id));
                    return Ok(Found::Absent);
                }
                Some(Entry::Symlink { target }) => {
                    self.record(&next, Some(&link_id(&target)));
                    links += 1;
                    if links > LINKS_MAX {
                        return Ok(Found::Absent);
                    }
                    let target = match target.strip_prefix('/') {
                        None => target,
                        Some(_) => match self.inside(&target) {
                            Some(inside) => {
                                at = String::new();
                                inside
                            }
                            None => return Ok(Found::Outside),
                        },
                    };
                    rest.extend(target.split('/').rev().map(str::to_owned));
                }
            }
        }
        Ok(Found::Directory(at))
    }

    pub(crate) fn bytes(&self, path: &str) -> Result<Arc<[u8]>> {
        self.tree.read(path).map_err(tree_error)
    }
}

/// How a symbolic link stands in a read set.
fn link_id(target: &str) -> ContentId {
    ContentId::new(&format!("link:{target}"))
}

fn tree_error(error: TreeError) -> BuildError {
    let kind = match error {
        TreeError::TooLarge { .. } => ErrorKind::Limit,
        TreeError::NotAFile { .. } => ErrorKind::MissingFile,
        TreeError::Read { .. } => ErrorKind::Tree,
    };
    BuildError::new(kind, error.to_string())
}

/// A file that was found.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) id: ContentId,
    pub(crate) bytes: Arc<[u8]>,
}

/// Reads for one kustomization.
pub(crate) struct Loader<'t> {
    pub(crate) tree: Rc<Tree<'t>>,
    /// The kustomization's directory, links resolved.
    pub(crate) root: String,
    pub(crate) load: Load,
    parent: Option<Rc<Loader<'t>>>,
    /// The repository that this kustomization was fetched from, and its place in the tree.
    pub(crate) repo: Option<RepoSpec>,
}

impl<'t> Loader<'t> {
    /// Reads for the kustomization in directory `root` of `tree`.
    pub(crate) fn at_root(tree: Rc<Tree<'t>>, root: &str, load: Load) -> Result<Self> {
        let path = clean(root).ok_or_else(|| outside(&format!("'{root}' is outside the tree")))?;
        let root = match tree.find(&path)? {
            Found::Directory(root) => root,
            other => return Err(not_a_directory(&tree, &path, &other)),
        };
        Ok(Self { tree, root, load, parent: None, repo: None })
    }

    /// Reads for a kustomization in a fetched repository.
    pub(crate) fn at_repo(self: &Rc<Self>, tree: Rc<Tree<'t>>, repo: RepoSpec) -> Result<Self> {
        let mut loader = Self::at_root(tree, &repo.root_path, Load::RootOnly)?;
        loader.parent = Some(Rc::clone(self));
        loader.repo = Some(repo);
        Ok(loader)
    }

    /// The directory as users know it.
    pub(crate) fn shown_root(&self) -> String {
        self.tree.shown(&self.root)
    }

    /// Reads for the base or component in the directory `path`.
    pub(crate) fn below(self: &Rc<Self>, path: &str) -> Result<Self> {
        if path.is_empty() {
            return Err(BuildError::new(ErrorKind::MissingFile, "new root cannot be empty"));
        }
        if path.starts_with('/') {
            let words = format!("new root '{path}' cannot be absolute");
            return Err(BuildError::new(ErrorKind::OutsideRoot, words));
        }
        let wrapped = |error: BuildError| error.wrap("must build at directory");
        let Some(joined) = join(&self.root, path) else {
            return Err(wrapped(outside(&format!("'{path}' is outside the tree"))));
        };
        let root = match self.tree.find(&joined)? {
            Found::Directory(root) => root,
            other => return Err(wrapped(not_a_directory(&self.tree, &joined, &other))),
        };
        self.check_cycle(&root)?;
        self.tree.directories.borrow_mut().remove(&root);
        if let Some(frame) = self.tree.frames.borrow_mut().last_mut() {
            frame.roots.push(root.clone());
        }
        let (tree, parent) = (Rc::clone(&self.tree), Some(Rc::clone(self)));
        Ok(Self { tree, root, load: self.load, parent, repo: None })
    }

    /// A base must not contain a kustomization that leads to it.
    pub(crate) fn check_cycle(&self, candidate: &str) -> Result<()> {
        let mut at = Some(self);
        while let Some(loader) = at {
            if Rc::ptr_eq(&loader.tree, &self.tree) && is_within(&loader.root, candidate) {
                let (candidate, visited) = (self.tree.shown(candidate), loader.shown_root());
                let words = format!(
                    "cycle detected: candidate root '{candidate}' contains visited root '{visited}'"
                );
                return Err(BuildError::new(ErrorKind::Cycle, words)
                    .says(format!("`{candidate}` contains `{visited}`, which includes it")));
            }
            at = loader.parent.as_deref();
        }
        Ok(())
    }

    /// A repository must not lead back to itself.
    pub(crate) fn check_repo_cycle(&self, repo: &RepoSpec) -> Result<()> {
        let mut at = Some(self);
        while let Some(loader) = at {
            if let Some(have) = loader.repo.as_ref().filter(|have| have.raw.starts_with(&repo.raw))
            {
                let words = format!(
                    "cycle detected: URI '{}' referenced by previous URI '{}'",
                    repo.raw, have.raw
                );
                return Err(BuildError::new(ErrorKind::Cycle, words));
            }
            at = loader.parent.as_deref();
        }
        Ok(())
    }

    /// The file at `path`, seen from this kustomization.
    pub(crate) fn load(&self, path: &str) -> Result<File> {
        let joined =
            if path.starts_with('/') { self.tree.inside(path) } else { join(&self.root, path) };
        let shown = || match &joined {
            Some(joined) => self.tree.shown(joined),
            None => path.to_owned(),
        };
        let found = match &joined {
            Some(joined) => self.tree.find(joined)?,
            None => Found::Outside,
        };
        match found {
            Found::File(at, id) => {
                let directory = at.rsplit_once('/').map(|(dir, _)| dir).unwrap_or_default();
                if self.load == Load::RootOnly && !is_within(directory, &self.root) {
                    return Err(outside(&format!(
                        "security; file '{}' is not in or below '{}'",
                        shown(),
                        self.shown_root()
                    )));
                }
                let bytes = self.tree.bytes(&at)?;
                Ok(File { path: at, id, bytes })
            }
            Found::Directory(at) => {
                self.tree.directories.borrow_mut().insert(at);
                let shown = shown();
                let words = match self.load {
                    Load::RootOnly => format!("'{shown}' must resolve to a file"),
                    Load::WithinTree => format!("read {shown}: is a directory"),
                };
                Err(BuildError::new(ErrorKind::MissingFile, words))
            }
            Found::Absent => {
                let shown = shown();
                let words = match self.load {
                    Load::RootOnly => format!(
                        "evalsymlink failure on '{shown}' : lstat {shown}: no such file or directory"
                    ),
                    Load::WithinTree => format!("open {shown}: no such file or directory"),
                };
                let at = joined.as_deref().unwrap_or_default();
                Err(absent(self.tree.tree, at, words, format!("there is no file `{shown}`")))
            }
            Found::Outside => {
                let error = outside(&format!(
                    "security; file '{}' is not in or below '{}'",
                    shown(),
                    self.shown_root()
                ));
                Err(match self.load {
                    Load::RootOnly => error,
                    Load::WithinTree => error.says(format!("`{path}` leaves the repository")),
                })
            }
        }
    }
}

fn outside(words: &str) -> BuildError {
    BuildError::new(ErrorKind::OutsideRoot, words)
}

/// Nothing stands at `path`: says why, when the origin has something there.
fn absent(tree: &dyn FileTree, path: &str, words: String, says: String) -> BuildError {
    let error = BuildError::new(ErrorKind::MissingFile, words);
    let Some((at, why)) = tree.left_out(path) else { return error.says(says) };
    let error = error.says(format!("{says}: {}", left_out_words(at, why)));
    match why {
        LeftOut::Symlink(target) if leads_out(at, target) => error
            .kinded(ErrorKind::OutsideRoot)
            .advise("commit the file itself, or share it by making a base of the repository"),
        LeftOut::Symlink(_) => error.advise("name what the link leads to, or commit a copy"),
        LeftOut::Ignored => error.advise("let `.sourceignore` and `spec.ignore` include it"),
        LeftOut::Submodule => error.advise("commit the files themselves"),
        LeftOut::Special | LeftOut::Name => error,
    }
}

/// Why the tree lacks what its origin has at `path`, in words.
pub(crate) fn why_left_out(tree: &dyn FileTree, path: &str) -> Option<String> {
    tree.left_out(path).map(|(at, why)| left_out_words(at, why))
}

fn left_out_words(at: &str, why: &LeftOut) -> String {
    match why {
        LeftOut::Ignored => format!("`{at}` is left out by an ignore rule"),
        LeftOut::Symlink(target) if leads_out(at, target) => {
            format!("`{at}` is a symbolic link to `{target}`, which leaves the repository")
        }
        LeftOut::Symlink(target) => {
            format!("`{at}` is a symbolic link to `{target}`, and artifacts hold no links")
        }
        LeftOut::Submodule => format!("`{at}` is a submodule, and those are not fetched"),
        LeftOut::Special => format!("`{at}` is neither a file nor a directory"),
        LeftOut::Name => format!("the name `{at}` is not UTF-8"),
    }
}

/// Whether the target of the link at `path` is not in the tree.
pub(crate) fn leads_out(path: &str, target: &str) -> bool {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    target.starts_with('/') || join(directory, target).is_none()
}

fn not_a_directory(tree: &Tree<'_>, path: &str, found: &Found) -> BuildError {
    let shown = tree.shown(path);
    match found {
        Found::File(..) => {
            let file = shown.rsplit('/').next().unwrap_or_default();
            let words = format!("file is not directory: '{shown}' (file '{file}')");
            BuildError::new(ErrorKind::MissingFile, words).says(format!("`{shown}` is a file"))
        }
        Found::Outside => outside(&format!("'{shown}' leads out of the tree")),
        _ => {
            let words = format!(
                "evalsymlink failure on '{shown}' : lstat {shown}: no such file or directory"
            );
            absent(tree.tree, path, words, format!("there is no directory `{shown}`"))
        }
    }
}
