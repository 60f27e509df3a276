//! Builds: the job that a worker runs, and what its end says.
//!
//! After the kustomize build come the steps that Flux does on each object: owner labels,
//! normalisation, common metadata (features 1.6). The result is held in memory by keyed digest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use crate::facts::Column as _;
use crate::facts::Statement;
use crate::facts::relation;
use crate::ingest::Advice;
use crate::ingest::Ingest;
use crate::ingest::Stores;
use crate::ingest::elsewhere;
use crate::ingest::elsewhere::Fetched;
use crate::ingest::fetch::part;
use crate::ingest::mention::Words;
use crate::ingest::object::expires;
use crate::ingest::object::is_encrypted;
use crate::ingest::object::legacy;
use crate::ingest::object::toggles;
use crate::ingest::recipe::Recipe;
use crate::ingest::unit;
use crate::ingest::values::Resolved;
use crate::kustomize::BuildOptions;
use crate::kustomize::Cache;
use crate::kustomize::ReadSet;
use crate::kustomize::flux;
use crate::kustomize::flux::FluxBuildError;
use crate::kustomize::flux::UnitBuilt;
use crate::kustomize::flux::UnitOutcome;
use crate::model::Digest;
use crate::model::DigestKey;
use crate::model::Entry;
use crate::model::FileTree;
use crate::model::GroupKind;
use crate::model::LeftOut;
use crate::model::Manifest;
use crate::model::ObjectRef;
use crate::model::Timestamp;
use crate::model::TreeError;
use crate::model::UnitName;
use crate::model::kinds;
use crate::model::limits::MANIFEST_BYTES_MAX;
use crate::model::limits::OBJECTS_MAX;
use crate::model::url::hide_credentials;
use crate::sources::tree::SourceTree;

/// The kind of objects that define kinds.
const DEFINITION: &str = "CustomResourceDefinition";

/// Everything that a build needs, taken from the memory when the action starts.
pub struct BuildJob {
    recipe: Recipe,
    tree_id: String,
    key: [String; 3],
    digest_key: DigestKey,
    scopes: BTreeMap<GroupKind, bool>,
    /// What the last complete build read.
    before: Vec<String>,
    remote_bases: bool,
    /// Bases or files were needed from elsewhere.
    elsewhere: bool,
}

/// How a build ended.
pub struct Built {
    recipe: Recipe,
    tree_id: String,
    key: [String; 3],
    result: Result<Rendered, Failure>,
    /// Bases or files were needed from elsewhere.
    elsewhere: bool,
    /// A file of the tree could not be read from our own stores.
    damaged: bool,
}

/// A complete build.
struct Rendered {
    text: Digest,
    reads: ReadSet,
    objects: Vec<RenderedObject>,
}

struct RenderedObject {
    manifest: Manifest,
    digest: String,
    file: String,
    line: i64,
}

/// A failed build: the condition's reason and message, and what stands in the unit's files.
struct Failure {
    reason: &'static str,
    message: String,
    words: Words,
    /// What it read, when that decides that it fails.
    reads: Option<ReadSet>,
    /// What helps.
    advice: Advice,
}

/// Why nothing was built.
struct Refusal {
    reason: &'static str,
    message: String,
    /// What was read, when that decides.
    reads: Option<ReadSet>,
    advice: Advice,
}

impl Refusal {
    /// URLs of remote bases may hold credentials.
    fn new(reason: &'static str, message: String, advice: Advice) -> Self {
        Self { reason, message: hide_credentials(&message), reads: None, advice }
    }

    fn of(error: &FluxBuildError) -> Self {
        let advice = match error {
            FluxBuildError::Build { source } => Advice::of(source.as_ref()),
            error => Advice::of(error),
        };
        let reads = error.reads().cloned();
        Self { reads, ..Self::new(reason(error), error.to_string(), advice) }
    }
}

impl Ingest {
    /// The job for an `act_render` row.
    pub fn build_job(&self, name: &UnitName, tree: &str, key: &[String; 3]) -> Option<BuildJob> {
        let memory = self.units.get(name)?;
        let Resolved::Known(known) = self.resolve(name, &memory.spec) else { return None };
        let mut build = unit::build_fields(&memory.spec);
        build.substitute = memory.spec.post_build.is_some().then_some(known.variables);
        build.strict = self.options.strict_substitution;
        let recipe = Recipe {
            unit: name.clone(),
            tree: self.trees.get(tree).cloned(),
            path: memory.spec.path.clone().unwrap_or_default(),
            build,
            common: memory.spec.common_metadata.clone().unwrap_or_default(),
            remote: Fetched::new(),
            cache: self.cache_of(name),
        };
        Some(BuildJob {
            recipe,
            tree_id: tree.to_owned(),
            key: key.clone(),
            digest_key: self.options.key.clone(),
            scopes: self.scopes.clone(),
            before: memory.reads.iter().flat_map(|reads| reads.keys().cloned()).collect(),
            remote_bases: self.options.remote_bases,
            elsewhere: false,
        })
    }

    /// What the units of a unit's source share when they are built.
    fn cache_of(&self, name: &UnitName) -> Arc<Cache> {
        let source = self.units.get(name).map(|memory| unit::source(name, &memory.spec));
        let known = source.and_then(|source| self.sources.get(&source));
        known.map(|memory| Arc::clone(&memory.cache)).unwrap_or_default()
    }

    pub(super) fn built(&mut self, built: Built, now: Timestamp) -> Vec<Statement> {
        let Built { recipe, tree_id, key: [p, b, v], result, elsewhere, damaged } = built;
        let (unit, tree) = (recipe.unit.clone(), recipe.tree.clone());
        let Some(memory) = self.units.get(&unit) else { return Vec::new() };
        if damaged || tree.is_none() {
            // Nothing is known of the build: it starts again when the tree is whole.
            let source = unit::source(&unit, &memory.spec);
            tracing::error!(%source, %unit, "files of the source are not whole and fetched again");
            return self.distrust(&source);
        }
        // What earlier builds changed was told, or is not worth telling any more.
        let mut said = vec![Statement::nothing("changed", vec![unit.column()])];
        said.push(match elsewhere {
            true => Statement::Holds(relation::elsewhere(&unit, &now)),
            false => Statement::nothing("elsewhere", vec![unit.column()]),
        });
        said.extend(match result {
            // A build that fails on what it read, absent files too, fails again until that changes.
            // Any other depends on the whole tree: any push may mend it.
            Err(failure) => {
                let part = match (&failure.reads, &tree) {
                    (Some(reads), Some(tree)) => part(reads, tree),
                    _ => None,
                };
                if let Some(memory) = self.units.get_mut(&unit) {
                    memory.reads = failure.reads.filter(|_| part.is_some());
                }
                let read = match &part {
                    Some(part) => Statement::Holds(relation::reads(&unit, &tree_id, part)),
                    None => Statement::nothing("reads", vec![unit.column()]),
                };
                let failed_on = part.unwrap_or_else(|| tree_id.clone());
                let mentioned = self.mentioned(&unit, &failure.words);
                let (reason, message) = (failure.reason, failure.message);
                let failed =
                    relation::render_failed(&unit, &failed_on, &b, &v, reason, &message, &now);
                vec![
                    read,
                    failure.advice.about(&unit),
                    Statement::exactly("mentions", vec![unit.column()], mentioned),
                    Statement::Holds(failed),
                ]
            }
            Ok(rendered) => {
                let now_reads = tree.as_deref().and_then(|tree| part(&rendered.reads, tree));
                let part = now_reads.unwrap_or(p);
                let text = rendered.text.to_string();
                let count = i64::try_from(rendered.objects.len()).unwrap_or(i64::MAX);
                let mut said = vec![
                    Statement::nothing("render_failed", vec![unit.column()]),
                    Advice::default().about(&unit),
                    Statement::nothing("mentions", vec![unit.column()]),
                    Statement::Holds(relation::reads(&unit, &tree_id, &part)),
                    Statement::Holds(relation::rendered(&unit, &part, &b, &v, &text, &count)),
                ];
                said.extend(object_statements(
                    &unit,
                    &rendered.objects,
                    &self.options.custom_stage,
                ));
                let before = self.objects_of(&unit);
                self.hold(&unit, rendered);
                self.options.recipes.put(recipe);
                said.extend(self.declared_of_unit(&unit, &before));
                said
            }
        });
        said
    }

    /// Holds the manifests of the new build and lets go of those of the old one.
    fn hold(&mut self, unit: &UnitName, rendered: Rendered) {
        let Some(memory) = self.units.get_mut(unit) else { return };
        for object in &rendered.objects {
            self.manifests.hold(&object.digest, &object.manifest);
        }
        let new = rendered.objects.into_iter().map(|object| object.digest).collect();
        let old = std::mem::replace(&mut memory.manifests, new);
        old.iter().for_each(|digest| self.manifests.release(digest));
        memory.reads = Some(rendered.reads);
    }
}

fn object_statements(
    unit: &UnitName,
    objects: &[RenderedObject],
    custom: &[GroupKind],
) -> Vec<Statement> {
    let mut renders = Vec::new();
    let mut marked = Vec::new();
    let mut places = Vec::new();
    for object in objects {
        let Manifest { object: name, api_version, json, .. } = &object.manifest;
        let version = api_version.rsplit('/').next().unwrap_or_default();
        let kind = name.group_kind();
        let stage = i64::from(kinds::stage_with(&kind, custom));
        let order = kinds::order_key(name);
        renders.push(relation::renders(unit, name, &object.digest, version, &stage, &order));
        marked.extend(
            toggles(json).into_iter().map(|(toggle, v)| relation::toggle(unit, name, toggle, &v)),
        );
        if is_encrypted(json) {
            marked.push(relation::toggle(unit, name, "sops", "encrypted"));
        }
        if expires(json) {
            marked.push(relation::toggle(unit, name, "ttl", "set"));
        }
        marked.extend(legacy(json).map(|mark| relation::toggle(unit, name, "legacy", mark)));
        places.push(relation::declared_at(unit, name, &object.file, &object.line));
    }
    let subject = || vec![unit.column()];
    vec![
        Statement::exactly("renders", subject(), renders),
        Statement::exactly("toggle", subject(), marked),
        Statement::exactly("declared_at", subject(), places),
    ]
}

impl Built {
    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&str> {
        self.result.as_ref().err().map(|failure| failure.message.as_str())
    }

    /// What it brought, in a few words.
    pub fn summary(&self) -> String {
        match &self.result {
            Ok(rendered) => format!("{} objects", rendered.objects.len()),
            Err(failure) => failure.message.clone(),
        }
    }
}

impl BuildJob {
    /// Runs the build; computes only, in proportion to the files that it reads, unless it needs
    /// bases from elsewhere: those are fetched.
    pub fn run(mut self, stores: &Stores, cancel: &CancellationToken) -> Built {
        let damaged = AtomicBool::new(false);
        let result = self.build(&damaged, stores, cancel).map_err(|refusal| {
            let Refusal { reason, message, reads, advice } = refusal;
            let (tree, path) = (self.recipe.tree.as_deref(), &self.recipe.path);
            let words = tree.map(|tree| Words::of(tree, path, &self.before));
            let words = words.unwrap_or_else(Words::unknown);
            Failure { reason, message, words, reads, advice }
        });
        let damaged = damaged.into_inner() && result.is_err();
        let Self { recipe, tree_id, key, elsewhere, .. } = self;
        Built { recipe, tree_id, key, result, elsewhere, damaged }
    }

    fn build(
        &mut self,
        damaged: &AtomicBool,
        stores: &Stores,
        cancel: &CancellationToken,
    ) -> Result<Rendered, Refusal> {
        let Some(tree) = self.recipe.tree.clone() else {
            let message = "the source's files are not loaded".to_owned();
            return Err(Refusal::new("ArtifactFailed", message, Advice::default()));
        };
        let tree = Watched { tree: tree.as_ref(), damaged };
        let built = self.built(&tree, stores, cancel)?;
        within_limits(&built.objects)?;
        let text = Digest::of(built.text().as_bytes());
        let mut objects = Vec::new();
        self.learn_scopes(&built.objects);
        for object in built.objects {
            let json = object.node.to_json().unwrap_or_default();
            let mut manifest = self.manifest(self.recipe.finish(json));
            manifest.secret_fields = object.secret_fields.into();
            let digest = manifest.digest(&self.digest_key).to_string();
            let (file, line) = (object.origin.file.to_string(), i64::from(object.origin.line));
            objects.push(RenderedObject { manifest, digest, file, line });
        }
        each_once(&objects)?;
        Ok(Rendered { text, reads: built.reads, objects })
    }

    /// Builds, and again with what it turns out to need from elsewhere.
    fn built(
        &mut self,
        tree: &dyn FileTree,
        stores: &Stores,
        cancel: &CancellationToken,
    ) -> Result<UnitBuilt, Refusal> {
        let mut options = BuildOptions {
            allow_remote: self.remote_bases,
            cache: Some(Arc::clone(&self.recipe.cache)),
            ..BuildOptions::default()
        };
        loop {
            match self.recipe.build_once(tree, &options) {
                Ok(UnitOutcome::Built(built)) => {
                    self.recipe.remote = options.remote;
                    return Ok(built);
                }
                Ok(UnitOutcome::Needs(needs)) => {
                    self.elsewhere = true;
                    elsewhere::bring(&stores.elsewhere, needs, &mut options.remote, cancel)
                        .map_err(|error| {
                            let advice = Advice::of(&error);
                            Refusal::new("BuildFailed", error.to_string(), advice)
                        })?;
                }
                Err(error) => return Err(Refusal::of(&error)),
            }
        }
    }

    /// What the server does not serve yet may be defined by the build itself.
    fn learn_scopes(&mut self, objects: &[flux::UnitObject]) {
        for object in objects.iter().filter(|object| object.text.contains(DEFINITION)) {
            let json = object.node.to_json().unwrap_or_default();
            let text = |pointer| json.pointer(pointer).and_then(Json::as_str).unwrap_or_default();
            if text("/kind") != DEFINITION {
                continue;
            }
            let (group, kind) = (text("/spec/group"), text("/spec/names/kind"));
            let defined = GroupKind { group: group.to_owned(), kind: kind.to_owned() };
            self.scopes.entry(defined).or_insert(text("/spec/scope") != "Cluster");
        }
    }

    fn manifest(&self, mut json: Json) -> Manifest {
        let text = |json: &Json, pointer: &str| {
            json.pointer(pointer).and_then(Json::as_str).unwrap_or_default().to_owned()
        };
        let api_version = text(&json, "/apiVersion");
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let mut object = ObjectRef::new(
            group,
            &text(&json, "/kind"),
            &text(&json, "/metadata/namespace"),
            &text(&json, "/metadata/name"),
        );
        if self.scopes.get(&object.group_kind()) == Some(&false) {
            object.namespace.clear();
            if let Some(metadata) = json.get_mut("metadata").and_then(Json::as_object_mut) {
                metadata.remove("namespace");
            }
        }
        Manifest { object, api_version, json: Arc::new(json), secret_fields: Arc::default() }
    }
}

/// Manifests of two API versions may be of one object, which can be as only one of them says.
fn each_once(objects: &[RenderedObject]) -> Result<(), Refusal> {
    let mut first: BTreeMap<&ObjectRef, &RenderedObject> = BTreeMap::new();
    for object in objects {
        let Some(other) = first.insert(&object.manifest.object, object) else { continue };
        let place = |object: &RenderedObject| {
            format!("{}:{} ({})", object.file, object.line, object.manifest.api_version)
        };
        let message = format!(
            "`{}` is there twice: in {} and in {}",
            object.manifest.object,
            place(other),
            place(object)
        );
        let help = "keep the manifest of one API version, and remove the other";
        return Err(Refusal::new("BuildFailed", message, Advice::new("flux::same_object", help)));
    }
    Ok(())
}

/// More or larger objects than any server would take are an error, never cut.
fn within_limits(objects: &[flux::UnitObject]) -> Result<(), Refusal> {
    let advice = Advice::new("flux::limit", "split the unit, or the object, into smaller ones");
    let failed = |message: String| Err(Refusal::new("BuildFailed", message, advice));
    if objects.len() > OBJECTS_MAX {
        let count = objects.len();
        return failed(format!("{count} objects are more than OBJECTS_MAX = {OBJECTS_MAX}"));
    }
    match objects.iter().find(|object| object.text.len() > MANIFEST_BYTES_MAX) {
        None => Ok(()),
        Some(object) => failed(format!(
            "{}:{}: a manifest of {} bytes is more than MANIFEST_BYTES_MAX = {MANIFEST_BYTES_MAX}",
            object.origin.file,
            object.origin.line,
            object.text.len()
        )),
    }
}

/// A tree that notes when our own stores cannot give a file.
struct Watched<'a> {
    tree: &'a SourceTree,
    damaged: &'a AtomicBool,
}

impl FileTree for Watched<'_> {
    fn entry(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        self.tree.entry(path)
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        let read = self.tree.read(path);
        if matches!(read, Err(TreeError::Read { .. })) {
            self.damaged.store(true, Ordering::Relaxed);
        }
        read
    }

    fn left_out(&self, path: &str) -> Option<(&str, &LeftOut)> {
        self.tree.left_out(path)
    }

    fn left_out_of(&self, path: &str) -> Vec<(&str, &LeftOut)> {
        self.tree.left_out_of(path)
    }

    fn list(&self, path: &str) -> Result<Vec<(String, Entry)>, TreeError> {
        self.tree.list(path)
    }
}

/// The reason that the unit's condition gives (features 1.3).
fn reason(error: &FluxBuildError) -> &'static str {
    match error {
        FluxBuildError::PathNotFound { .. } => "ArtifactFailed",
        _ => "BuildFailed",
    }
}
