//! What one build holds together: trees, files by number, schemas, and what is still needed.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::BuildOptions;
use super::cache::Cache;
use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::json;
use super::json::Detour;
use super::loader::File;
use super::loader::Loader;
use super::loader::Tree;
use super::path;
use super::remote;
use super::remote::REMOTE_FILE;
use super::remote::RemoteRef;
use super::remote::RepoSpec;
use super::resource;
use super::schemas::Schemas;
use super::yaml::FileId;
use super::yaml::Node;
use super::yaml::Place;
use super::yaml::YamlError;
use super::yaml::read_resources_at;
use crate::model::ContentId;

/// Most bytes of files whose objects one build keeps, in case that a second base reads them.
const PARSED_BYTES_MAX: usize = 256 * 1024;

/// Objects of files, by path and content.
type ParsedFiles = HashMap<(String, ContentId), Rc<Vec<Node>>>;

/// One build under way.
pub(crate) struct Build<'t> {
    pub(crate) options: &'t BuildOptions,
    pub(crate) schemas: Arc<Schemas>,
    cache: Arc<Cache>,
    /// References that were met and are not there.
    needs: RefCell<Vec<RemoteRef>>,
    remote: RefCell<BTreeMap<RemoteRef, Rc<Tree<'t>>>>,
    /// Objects of files that this build has read, by path and content.
    parsed: RefCell<ParsedFiles>,
    /// Bytes of the files in `parsed`.
    parsed_bytes: Cell<usize>,
    /// How often something fetched was asked for.
    fetched: Cell<usize>,
}

/// What a remote reference turned out to be.
pub(crate) enum Remote<T> {
    Here(T),
    /// Noted as needed: go on without it.
    Needed,
    /// The URL holds no file.
    NoFile,
}

impl<'t> Build<'t> {
    pub(crate) fn new(options: &'t BuildOptions) -> Self {
        Self {
            options,
            schemas: Arc::default(),
            cache: options.cache.clone().unwrap_or_default(),
            needs: RefCell::default(),
            remote: RefCell::default(),
            parsed: RefCell::default(),
            parsed_bytes: Cell::default(),
            fetched: Cell::default(),
        }
    }

    pub(crate) fn take_needs(&self) -> Vec<RemoteRef> {
        let mut needs = self.needs.take();
        needs.sort_unstable();
        needs.dedup();
        needs
    }

    /// Something is needed: what was built is not whole.
    pub(crate) fn is_partial(&self) -> bool {
        !self.needs.borrow().is_empty()
    }

    /// The cache that this build shares with others, unless it notes origins: those differ from
    /// build to build.
    pub(crate) fn shared_cache(&self) -> Option<&Cache> {
        self.options.cache.as_deref().filter(|_| !self.options.origins)
    }

    /// How often something fetched was asked for so far.
    pub(crate) fn fetched(&self) -> usize {
        self.fetched.get()
    }

    pub(crate) fn file_id(&self, path: &str) -> FileId {
        self.cache.file_id(path)
    }

    pub(crate) fn file_name(&self, id: FileId) -> Arc<str> {
        self.cache.file_name(id)
    }

    /// A place in a file of `tree`, or of elsewhere, as users know it.
    pub(crate) fn shown(&self, place: Place, tree: &Tree<'_>) -> Option<String> {
        let name = self.file_name(place.file);
        let file = if remote::is_http(&name) { name.to_string() } else { tree.shown(&name) };
        match (name.is_empty(), place.line) {
            (true, _) => None,
            (false, 0) => Some(file),
            (false, line) => Some(format!("{file}:{line}")),
        }
    }

    /// The file at `path`, from the kustomization's tree or from elsewhere.
    pub(crate) fn load(&self, loader: &Rc<Loader<'t>>, path: &str) -> Result<File> {
        if !remote::is_http(path) {
            return loader.load(path);
        }
        match self.remote_file(path)? {
            Remote::Here(file) => Ok(file),
            // The build is partial from here on, and what it makes is thrown away.
            Remote::Needed => {
                Ok(File { path: path.to_owned(), id: ContentId::new(path), bytes: Arc::new([]) })
            }
            Remote::NoFile => {
                let words = format!("HTTP Error: status code 404 (Not Found): {path}");
                Err(BuildError::new(ErrorKind::Remote, words))
            }
        }
    }

    fn refused(&self, what: &str) -> BuildError {
        let words = format!("remote bases are off: `{what}` is not fetched");
        BuildError::new(ErrorKind::Remote, words)
    }

    /// The tree that a reference names.
    fn remote_tree(&self, reference: &RemoteRef, shown: &str) -> Result<Option<Rc<Tree<'t>>>> {
        self.fetched.set(self.fetched.get() + 1);
        if let Some(tree) = self.remote.borrow().get(reference) {
            return Ok(Some(Rc::clone(tree)));
        }
        match self.options.remote.get(reference) {
            Some(tree) => {
                let tree = Rc::new(Tree::fetched(&**tree, shown));
                self.remote.borrow_mut().insert(reference.clone(), Rc::clone(&tree));
                Ok(Some(tree))
            }
            None if !self.options.allow_remote => Err(self.refused(shown)),
            None => {
                self.needs.borrow_mut().push(reference.clone());
                Ok(None)
            }
        }
    }

    /// The file at a URL.
    pub(crate) fn remote_file(&self, url: &str) -> Result<Remote<File>> {
        let reference = RemoteRef::File { url: url.to_owned() };
        let Some(tree) = self.remote_tree(&reference, url)? else { return Ok(Remote::Needed) };
        let loader = Loader::at_root(tree, "", super::Load::WithinTree)?;
        match loader.load(REMOTE_FILE) {
            Ok(file) => Ok(Remote::Here(File { path: url.to_owned(), ..file })),
            Err(error) if error.kind() == ErrorKind::MissingFile => Ok(Remote::NoFile),
            Err(error) => Err(error),
        }
    }

    /// Reads for the kustomization in a repository.
    pub(crate) fn remote_base(
        &self,
        loader: &Rc<Loader<'t>>,
        repo: RepoSpec,
    ) -> Result<Remote<Loader<'t>>> {
        loader.check_repo_cycle(&repo)?;
        match self.remote_tree(&repo.remote(), &repo.clone_spec())? {
            Some(tree) => loader.at_repo(tree, repo).map(Remote::Here),
            None => Ok(Remote::Needed),
        }
    }

    /// The objects of a file, read once per content.
    pub(crate) fn file_nodes(&self, file: &File) -> Result<Rc<Vec<Node>>> {
        let key = (file.path.clone(), file.id.clone());
        if let Some(nodes) = self.parsed.borrow().get(&key) {
            return Ok(Rc::clone(nodes));
        }
        let id = self.file_id(&file.path);
        let known = self.shared_cache().and_then(|cache| cache.objects(id, &file.id));
        let nodes = Rc::new(match known {
            Some(nodes) => nodes.to_vec(),
            None => {
                let nodes = self.nodes(&file.bytes, Place::made_by(id))?;
                if let Some(cache) = self.shared_cache() {
                    cache.keep_objects(id, &file.id, file.bytes.len(), &nodes);
                }
                nodes
            }
        });
        // What is kept is copied when a step changes it: that must not double a large build.
        let bytes = self.parsed_bytes.get() + file.bytes.len();
        if bytes <= PARSED_BYTES_MAX {
            self.parsed_bytes.set(bytes);
            self.parsed.borrow_mut().insert(key, Rc::clone(&nodes));
        }
        Ok(nodes)
    }

    /// The objects of a text: checked, lists spelt out. `start.line` lines stand before it.
    pub(crate) fn nodes(&self, bytes: &[u8], start: Place) -> Result<Vec<Node>> {
        let read = read_resources_at(bytes, start).map_err(|error| self.malformed(&error))?;
        let mut queue = checked(read).map_err(|(error, node)| self.at_node(error, &node))?;
        let mut nodes = Vec::with_capacity(queue.len());
        let mut at = 0;
        while let Some(node) = queue.get(at).cloned() {
            at += 1;
            match list_items(&node).map_err(|error| self.at_node(error, &node))? {
                None => nodes.push(node),
                Some(items) => {
                    let items =
                        checked(items).map_err(|(error, node)| self.at_node(error, &node))?;
                    queue.extend(items);
                }
            }
            if queue.len() > self.options.limits.objects_max {
                let max = self.options.limits.objects_max;
                let words = format!("more than OBJECTS_MAX = {max} objects in one file");
                return Err(BuildError::new(ErrorKind::Limit, words));
            }
        }
        Ok(nodes)
    }

    fn malformed(&self, error: &YamlError) -> BuildError {
        let words = match error {
            YamlError::Separator { .. } => error.to_string(),
            _ => format!("MalformedYAMLError: yaml: {error}"),
        };
        let place = error.at();
        let name = self.file_name(place.file);
        BuildError::new(ErrorKind::InvalidYaml, words).says(error.told()).at(&name, place.line)
    }

    fn at_node(&self, error: BuildError, node: &Node) -> BuildError {
        let place = node.place();
        error.at(&self.file_name(place.file), place.line)
    }
}

/// Objects without the empty ones; each must have a kind and a name.
fn checked(nodes: Vec<Node>) -> std::result::Result<Vec<Node>, (BuildError, Node)> {
    let mut kept = Vec::with_capacity(nodes.len());
    for node in nodes {
        if path::is_null_or_empty(&node) {
            continue;
        }
        match resource::validate(&node) {
            Ok(()) => kept.push(node),
            Err(error) => return Err((error, node)),
        }
    }
    Ok(kept)
}

/// The items of an object whose kind ends with `List` and that has items.
fn list_items(node: &Node) -> Result<Option<Vec<Node>>> {
    let kind = node.get("kind").map(path::text).unwrap_or_default();
    if !kind.ends_with("List") {
        return Ok(None);
    }
    json::check_decodable(node)
        .map_err(|error| error.wrap(format!("trouble expanding list of {kind}")))?;
    let Some(items) = node.get("items") else { return Ok(None) };
    if path::is_null(items) {
        return Ok(Some(Vec::new()));
    }
    let Some(items) = items.items() else {
        let found = if items.is_mapping() { "map[string]interface {}" } else { "string" };
        let words = format!("expected array in {kind}/items, but found {found}");
        return Err(BuildError::new(ErrorKind::InvalidObject, words));
    };
    let items = items.iter().map(|item| json::through(item, Detour::JsonText));
    items.collect::<Result<Vec<_>>>().map(Some)
}
