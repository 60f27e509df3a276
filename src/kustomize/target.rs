//! One kustomization: reading it, gathering what it names, and running its steps.
//!
//! ```text
//! resources ─▶ configurations, crds ─▶ generators ─▶ components ─▶ transformers ─▶ validators
//!   ─▶ vars
//! ```
//!
//! Upstream: `api/internal/target/kusttarget.go`.

use std::rc::Rc;
use std::sync::Arc;

use super::accumulator::Accumulator;
use super::bases;
use super::bases::Known;
use super::build::Build;
use super::build::Remote;
use super::config::TransformerConfig;
use super::config_file;
use super::crds;
use super::decode::Located;
use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::kustomization::Kustomization;
use super::kustomization_file;
use super::kustomization_file::COMPONENT;
use super::kustomization_file::FILE_NAMES;
use super::loader::File;
use super::loader::Loader;
use super::metadata;
use super::origin_annotation;
use super::origin_annotation::Record;
use super::plugin::Helpers;
use super::remote;
use super::remote::RepoSpec;
use super::resmap::ResMap;
use super::resource::Object;
use super::resource::annotation;
use super::unique_json;
use super::unique_json::Unique;
use super::yaml::Dialect;
use super::yaml::Node;
use super::yaml::Place;
use super::yaml::Value;
use super::yaml::read_kustomization;

/// Most kustomizations that include one another.
const DEPTH_MAX: usize = 128;

/// One kustomization of a build.
pub(crate) struct Target<'b, 't> {
    pub(crate) build: &'b Build<'t>,
    pub(crate) loader: Rc<Loader<'t>>,
    pub(crate) kustomization: Kustomization,
    /// The file's path in its tree, and its name.
    pub(crate) path: String,
    pub(crate) file_name: &'static str,
    /// Present when the build notes where objects come from.
    pub(crate) record: Option<Record>,
    /// The file as it was read, when the build notes where fields come from.
    pub(super) source: Option<Node>,
    depth: usize,
}

/// The kustomization file of a directory.
fn find_file<'t>(loader: &Loader<'t>) -> Result<(File, &'static str)> {
    let mut found = None;
    let mut count = 0;
    for &name in FILE_NAMES {
        match loader.load(name) {
            Ok(file) => {
                count += 1;
                found = Some((file, name));
            }
            Err(error) if matches!(error.kind(), ErrorKind::Tree | ErrorKind::Limit) => {
                return Err(error);
            }
            Err(_) => {}
        }
    }
    let root = loader.shown_root();
    match (count, found) {
        (1, Some(found)) => Ok(found),
        (0, _) | (_, None) => {
            let words = format!(
                "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{root}'"
            );
            Err(BuildError::new(ErrorKind::MissingKustomization, words)
                .says(format!("`{root}` has no kustomization file")))
        }
        _ => {
            let words = format!("Found multiple kustomization files under: {root}\n");
            Err(BuildError::new(ErrorKind::ManyKustomizations, words)
                .says(format!("`{root}` has {count} kustomization files")))
        }
    }
}

impl<'b, 't> Target<'b, 't> {
    /// Reads the kustomization of the loader's directory.
    pub(crate) fn load(build: &'b Build<'t>, loader: Rc<Loader<'t>>, depth: usize) -> Result<Self> {
        if depth > DEPTH_MAX {
            let words = format!("more than {DEPTH_MAX} kustomizations include one another");
            return Err(BuildError::new(ErrorKind::Limit, words));
        }
        let (file, file_name) = find_file(&loader)?;
        let id = build.file_id(&file.path);
        let root = loader.shown_root();
        let kustomization = kustomization_file::read(&file.bytes, id, &file.path, &root)?;
        let source = match build.options.origins {
            true => read_kustomization(&file.bytes, id).ok().flatten(),
            false => None,
        };
        let path = file.path;
        Ok(Self { source, build, loader, kustomization, path, file_name, record: None, depth })
    }

    pub(crate) fn helpers(&self) -> Helpers<'_, 't> {
        Helpers { build: self.build, loader: &self.loader, kustomization: &self.path }
    }

    fn placed(&self, error: BuildError, place: Place) -> BuildError {
        self.helpers().placed(error, place)
    }

    /// Takes the schema that this kustomization names, unless an outer one did.
    pub(crate) fn set_schema(&self, is_root: bool) -> Result<()> {
        let Some(fields) = &self.kustomization.openapi else { return Ok(()) };
        let wrong =
            |words: &str| BuildError::new(ErrorKind::InvalidKustomization, words).at(&self.path, 0);
        let bytes = match fields.get("path") {
            Some(path) => Some(self.build.load(&self.loader, path)?),
            None => None,
        };
        let schemas = &self.build.schemas;
        if schemas.is_set() && !is_root {
            return Ok(());
        }
        let version = fields.get("version");
        if let Some(file) = bytes {
            if version.is_some() {
                return Err(wrong("builtin version and custom schema provided, cannot use both"));
            }
            schemas.set(Some(&self.schema_document(&file)?));
            return Ok(());
        }
        match version.map(String::as_str) {
            None | Some("") => Ok(()),
            Some("v1.21.2") => {
                schemas.set(None);
                Ok(())
            }
            Some(_) => Err(wrong("the specified OpenAPI version is not built in")),
        }
    }

    /// A schema file as JSON; one that is JSON already may have no key twice.
    fn schema_document(&self, file: &File) -> Result<serde_json::Value> {
        let invalid = |words: String, line: u32| {
            let words = format!("invalid schema file: {words}");
            BuildError::new(ErrorKind::InvalidKustomization, words).at(&file.path, line)
        };
        if file.bytes.first() == Some(&b'{') {
            let read = serde_json::from_slice::<Unique>(&file.bytes);
            return read
                .map(|Unique(value)| value)
                .map_err(|error| invalid(error.to_string(), unique_json::line_of(&error)));
        }
        match read_kustomization(&file.bytes, self.build.file_id(&file.path)) {
            Ok(node) => Ok(node.as_ref().map(to_json).unwrap_or_default()),
            Err(error) => Err(invalid(format!("yaml: {error}"), error.at().line)),
        }
    }

    /// Gathers and changes all objects; `into` holds those of the parent when this is a component.
    pub(crate) fn accumulate(&self, mut into: Accumulator) -> Result<Accumulator> {
        let k = &self.kustomization;
        self.accumulate_resources(&mut into, k.resources.as_deref().unwrap_or_default())
            .map_err(|error| error.wrap("accumulating resources"))?;
        let mut config = TransformerConfig::built_in();
        let configurations = k.configurations.as_deref().unwrap_or_default();
        if !configurations.is_empty() {
            let files = config_file::configurations(self.build, &self.loader, configurations)?;
            Arc::make_mut(&mut config).merge(&files)?;
        }
        into.merge_config(&config)?;
        let crds = k.crds.as_deref().unwrap_or_default();
        if !crds.is_empty() {
            let config = crds::field_specs(self.build, &self.loader, crds)
                .map_err(|error| error.wrap("loading CRDs"))?;
            into.merge_config(&Arc::new(config))?;
        }
        self.run_generators(&mut into)?;
        let components = k.components.as_deref().unwrap_or_default();
        let mut into = self
            .accumulate_components(into, components)
            .map_err(|error| error.wrap("accumulating components"))?;
        self.run_transformers(&mut into)?;
        self.run_validators(&mut into)?;
        into.merge_vars(k.vars.as_deref().unwrap_or_default())
            .map_err(|error| error.wrap("merging vars"))?;
        let (count, max) = (into.map.len(), self.build.options.limits.objects_max);
        if count > max {
            let words = format!("more than OBJECTS_MAX = {max} objects");
            return Err(BuildError::new(ErrorKind::Limit, words));
        }
        Ok(into)
    }

    /// Adds what each path names: a file of objects, or the directory of a kustomization.
    pub(crate) fn accumulate_resources(
        &self,
        into: &mut Accumulator,
        paths: &[Located],
    ) -> Result<()> {
        for path in paths {
            let error = match self.accumulate_file(into, &path.text) {
                Ok(true) => continue,
                Ok(false) => None,
                Err(error) => Some(self.placed(
                    error.wrap(format!("accumulating resources from '{}'", path.text)),
                    path.place,
                )),
            };
            self.accumulate_base(into, path, error)?;
        }
        Ok(())
    }

    /// Adds the directory or repository that `path` names; `not_a_file` says why it is no file.
    fn accumulate_base(
        &self,
        into: &mut Accumulator,
        path: &Located,
        not_a_file: Option<BuildError>,
    ) -> Result<()> {
        let wrapped = |error: BuildError, is_directory: bool| match &not_a_file {
            None => error,
            Some(file) => {
                let chain = format!("accumulation err='{}': {}", file.upstream(), error.upstream());
                let is_file = file.kind() != ErrorKind::MissingFile;
                let missing = !is_directory && error.kind() == ErrorKind::MissingFile;
                let shown = if is_file || missing { file.clone() } else { error };
                self.placed(shown.reworded(chain), path.place)
            }
        };
        let loader = match self.below(&path.text) {
            Ok(Some(loader)) => loader,
            Ok(None) => return Ok(()),
            Err(error) => {
                let malformed = |e: &&BuildError| e.upstream().contains("MalformedYAMLError");
                if let Some(file) = not_a_file.as_ref().filter(malformed) {
                    return Err(file.clone());
                }
                return Err(wrapped(error, false));
            }
        };
        let base = self.base(loader, &path.text).map_err(|error| wrapped(error, true))?;
        let root = self.loader.shown_root();
        into.merge(base).map_err(|error| {
            wrapped(error.wrap(format!("recursed merging from path '{root}'")), true)
        })
    }

    /// What the kustomization of a directory makes by itself, now or in an earlier build.
    fn base(&self, loader: Rc<Loader<'t>>, path: &str) -> Result<Accumulator> {
        let known = match &self.record {
            Some(_) => Known::Apart,
            None => bases::begin(self.build, &loader),
        };
        match known {
            Known::Made(base) => Ok(*base),
            Known::Apart => self.directory(loader, path, false, Accumulator::default()),
            Known::New(making) => {
                let made = self.directory(Rc::clone(&loader), path, false, Accumulator::default());
                bases::end(self.build, &loader, making, made.as_ref().ok());
                made
            }
        }
    }

    /// Reads for what `path` names; `None` when it is needed first.
    fn below(&self, path: &str) -> Result<Option<Rc<Loader<'t>>>> {
        let Some(repo) = RepoSpec::parse(path) else {
            return self.loader.below(path).map(|loader| Some(Rc::new(loader)));
        };
        match self.build.remote_base(&self.loader, repo)? {
            Remote::Here(loader) => Ok(Some(Rc::new(loader))),
            Remote::Needed | Remote::NoFile => Ok(None),
        }
    }

    /// Adds the objects of a file. `false` when a URL holds no file.
    fn accumulate_file(&self, into: &mut Accumulator, path: &str) -> Result<bool> {
        let file = if remote::is_http(path) {
            match self.build.remote_file(path)? {
                Remote::Here(file) => file,
                Remote::Needed => return Ok(true),
                Remote::NoFile => return Ok(false),
            }
        } else {
            self.loader.load(path)?
        };
        let nodes = self.build.file_nodes(&file);
        let nodes = nodes.map_err(|error| super::builtins::named_file(error, path))?;
        let schemas = &self.build.schemas;
        let mut objects: Vec<Object> =
            nodes.iter().map(|node| Object::new(node.clone(), schemas)).collect();
        if objects.len() > 1 {
            // Ids must differ within the file before any of its objects is added.
            ResMap::default().append_all(objects.iter().cloned())?;
        }
        if let Some(record) = &self.record {
            let text = record.append(path).text();
            for object in &mut objects {
                metadata::set_plain_annotation(object.node_mut(), annotation::ORIGIN, &text)?;
            }
        }
        into.map
            .append_all(objects)
            .map_err(|error| error.wrap(format!("merging resources from '{path}'")))?;
        Ok(true)
    }

    fn accumulate_components(
        &self,
        mut into: Accumulator,
        paths: &[Located],
    ) -> Result<Accumulator> {
        for path in paths {
            let quoted = |error: BuildError, words: &str| {
                let chain = format!("{words} {:?}", error.upstream());
                self.placed(error.reworded(chain), path.place)
            };
            let loader = self.below(&path.text).map_err(|error| quoted(error, "loader.New"))?;
            let Some(loader) = loader else { continue };
            into = self
                .directory(loader, &path.text, true, into)
                .map_err(|error| quoted(error, "accumulateDirectory:"))?;
        }
        Ok(into)
    }

    /// What the kustomization of a directory makes. A component works on `into`.
    fn directory(
        &self,
        loader: Rc<Loader<'t>>,
        path: &str,
        is_component: bool,
        into: Accumulator,
    ) -> Result<Accumulator> {
        let root = loader.shown_root();
        let mut target = Self::load(self.build, loader, self.depth + 1)
            .map_err(|error| error.wrap(format!("couldn't make target for path '{root}'")))?;
        target.kustomization.build_metadata.clone_from(&self.kustomization.build_metadata);
        target.record = self.record.as_ref().map(|record| record.append(path));
        target.set_schema(false)?;
        if is_component != (target.kustomization.kind == COMPONENT) {
            let kind = &target.kustomization.kind;
            return Err(origin_annotation::wrong_kind(is_component, &root, kind));
        }
        let made = target
            .accumulate(into)
            .map_err(|error| error.wrap(format!("recursed accumulation of path '{root}'")))?;
        if !is_component {
            return Ok(made);
        }
        // Taken up anew, as upstream does: field specs are compared in their sorted order here.
        let mut taken = Accumulator::default();
        taken
            .merge(made)
            .map_err(|error| error.wrap(format!("recursed merging from path '{root}'")))?;
        Ok(taken)
    }

    /// Objects that configure plugins: those that stand inline, then those of files.
    pub(crate) fn plugin_objects(&self, entries: &[Located]) -> Result<ResMap> {
        let mut gathered = Accumulator::default();
        let mut paths = Vec::new();
        let helpers = self.helpers();
        for entry in entries {
            let start = helpers.inline_start(entry);
            let inline = helpers.objects(entry.text.as_bytes(), start).and_then(|objects| {
                let mut map = ResMap::default();
                map.append_all(objects)?;
                Ok(map.into_objects())
            });
            let Ok(mut objects) = inline else {
                paths.push(entry.clone());
                continue;
            };
            if let Some(record) = &self.record {
                let record = record.append(self.file_name);
                for object in &mut objects {
                    object.put_annotation(annotation::ORIGIN, &record.text())?;
                }
            }
            gathered.map.append_all(objects)?;
        }
        self.accumulate_resources(&mut gathered, &paths)?;
        Ok(gathered.map)
    }
}

/// A document as JSON, for schemas.
fn to_json(node: &Node) -> serde_json::Value {
    if let Some(items) = node.items() {
        return items.iter().map(to_json).collect();
    }
    if let Some(entries) = node.entries() {
        let pair = |key: &Node| key.text().unwrap_or_default().to_owned();
        return entries.iter().map(|e| (pair(&e.key), to_json(&e.value))).collect();
    }
    match node.value(Dialect::V2) {
        Some(Value::Str(text)) => serde_json::Value::from(&*text),
        Some(Value::Bool(value)) => serde_json::Value::from(value),
        Some(Value::Int(number)) => serde_json::Value::from(number),
        _ => serde_json::Value::Null,
    }
}
