//! The steps of one kustomization: generators, transformers, validators, in upstream's order.
//!
//! Upstream: `api/internal/target/kusttarget_configplugin.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::accumulator::Accumulator;
use super::builtins::annotations_transformer::AnnotationsTransformer;
use super::builtins::config_map_generator::ConfigMapGenerator;
use super::builtins::image_tag_transformer::ImageTagTransformer;
use super::builtins::label_transformer::LabelTransformer;
use super::builtins::label_transformer::Places;
use super::builtins::namespace_transformer::NamespaceTransformer;
use super::builtins::patch_json6902_transformer::PatchJson6902Transformer;
use super::builtins::patch_strategic_merge_transformer::PatchStrategicMergeTransformer;
use super::builtins::patch_transformer::PatchTransformer;
use super::builtins::prefix_transformer::PrefixTransformer;
use super::builtins::replacement_transformer::ReplacementTransformer;
use super::builtins::replica_count_transformer::ReplicaCountTransformer;
use super::builtins::secret_generator::SecretGenerator;
use super::builtins::suffix_transformer::SuffixTransformer;
use super::config::TransformerConfig;
use super::decode::Located;
use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::fieldspec::FieldSpec;
use super::fieldspec::FieldSpecs;
use super::generated::merged_options;
use super::kustomization::Image;
use super::kustomization::Patch;
use super::origin_annotation;
use super::origin_annotation::Record;
use super::origins;
use super::path;
use super::plugin;
use super::plugin::Generator;
use super::plugin::Transformer;
use super::resmap::shown;
use super::resource::Object;
use super::target::Target;
use super::yaml::Entry;
use super::yaml::Node;
use super::yaml::Place;

/// A step, the record of what configures it, and its name where origins are noted.
struct Step<T: ?Sized> {
    run: Box<T>,
    record: Option<Record>,
    name: Option<Arc<origins::Step>>,
    /// The entry that asks for it, for errors.
    place: Place,
}

type Steps = Vec<Step<dyn Transformer>>;

impl Target<'_, '_> {
    /// The place of values that a field of this kustomization brings.
    fn own_place(&self) -> Place {
        Place::made_by(self.build.file_id(&self.path))
    }

    fn record_of(&self, kind: &str) -> Option<Record> {
        self.record.as_ref().map(|record| record.of_field(self.file_name, kind))
    }

    /// The place of the scalar at this path of the kustomization, when origins are noted.
    fn place_at(&self, path: &[At<'_>]) -> Place {
        let Some(source) = &self.source else { return self.own_place() };
        let found = path.iter().try_fold(source, |node, at| match at {
            At::Index(index) => node.items()?.get(*index),
            At::Key(key) => node.get(key),
            At::Field(name) => {
                let named = |entry: &&Entry| path::text(&entry.key).eq_ignore_ascii_case(name);
                node.entries()?.iter().rev().find(named).map(|entry| &entry.value)
            }
        });
        found.map_or_else(|| self.own_place(), Node::place)
    }

    /// A transformer that the entry `index` of `field` asks for.
    fn transformer<T: Transformer + 'static>(
        &self,
        run: T,
        kind: &str,
        field: &str,
        index: Option<usize>,
    ) -> Step<dyn Transformer> {
        let name = self.step_name(kind, field, index);
        Step { run: Box::new(run), record: self.record_of(kind), name, place: Place::default() }
    }

    fn generator<T: Generator + 'static>(
        &self,
        run: T,
        kind: &str,
        field: &str,
        index: usize,
    ) -> Step<dyn Generator> {
        let name = self.step_name(kind, field, Some(index));
        Step { run: Box::new(run), record: self.record_of(kind), name, place: Place::default() }
    }

    /// How origins name a step of this kustomization; `None` when they are not noted.
    pub(super) fn step_name(
        &self,
        kind: &str,
        field: &str,
        index: Option<usize>,
    ) -> Option<Arc<origins::Step>> {
        self.build.options.origins.then(|| {
            let (name, field) = (kind.to_owned(), field.to_owned());
            Arc::new(origins::Step { name, file: self.path.as_str().into(), field, index })
        })
    }

    /// How origins name the step that an object configures.
    fn plugin_name(&self, object: &Object) -> Option<Arc<origins::Step>> {
        self.build.options.origins.then(|| {
            let file = self.build.file_name(object.place.file);
            let name = object.kind().to_owned();
            Arc::new(origins::Step { name, file, field: String::new(), index: None })
        })
    }

    pub(super) fn run_generators(&self, into: &mut Accumulator) -> Result<()> {
        let helpers = self.helpers();
        for Step { mut run, record, name, place } in self.generators()? {
            let placed = |error| helpers.placed(error, place);
            let mut objects = run.generate(&helpers).map_err(placed)?;
            if let Some(record) = record {
                origin_annotation::add_origin(&mut objects, &record)?;
            }
            if let Some(name) = name {
                let (field, at) = (At::Field(&name.field), At::Index(name.index.unwrap_or(0)));
                let place = self.place_at(&[field, at, At::Field("name")]);
                for object in &mut objects {
                    origins::adopt(object, place, self.own_place());
                    origins::claim(object, &name);
                }
            }
            into.map.absorb_all(objects).map_err(|error| error.wrap("merging from generator"))?;
        }
        Ok(())
    }

    /// All generators, ready to run.
    fn generators(&self) -> Result<Vec<Step<dyn Generator>>> {
        let k = &self.kustomization;
        let global = k.generator_options.as_ref();
        let mut steps: Vec<Step<dyn Generator>> = Vec::new();
        for (i, args) in k.config_map_generator.iter().flatten().enumerate() {
            let mut generator = ConfigMapGenerator { args: args.clone(), ..Default::default() };
            let options = &mut generator.args.args.options;
            *options = merged_options(options.take(), global);
            steps.push(self.generator(generator, "ConfigMapGenerator", "configMapGenerator", i));
        }
        for (i, args) in k.secret_generator.iter().flatten().enumerate() {
            let mut generator = SecretGenerator { args: args.clone(), ..Default::default() };
            let options = &mut generator.args.args.options;
            *options = merged_options(options.take(), global);
            steps.push(self.generator(generator, "SecretGenerator", "secretGenerator", i));
        }
        if let Some(chart) = k.helm_charts.iter().flatten().next() {
            let words = "trouble configuring builtin HelmChartInflationGenerator with config: must specify --enable-helm";
            return Err(BuildError::new(ErrorKind::NotSupported, words)
                .says("`helmCharts` would have to run Helm")
                .at(&self.path, chart.0.line));
        }
        let entries = k.generators.as_deref().unwrap_or_default();
        if !entries.is_empty() {
            let loading = |error: BuildError| error.wrap("loading generator plugins");
            for object in self.plugin_objects(entries).map_err(loading)?.objects() {
                let record = Record::of_plugin(object);
                let run = plugin::generator(object)
                    .map_err(|error| loading(error.wrap("failed to load generator")))?;
                let (name, place) = (self.plugin_name(object), object.place);
                steps.push(Step { run, record, name, place });
            }
        }
        Ok(steps)
    }

    pub(super) fn run_transformers(&self, into: &mut Accumulator) -> Result<()> {
        let config = Arc::clone(&into.config);
        let mut steps = self.built_in_transformers(&config)?;
        steps.extend(
            self.plugin_transformers(
                self.kustomization.transformers.as_deref().unwrap_or_default(),
            )?,
        );
        for Step { mut run, record, name, place } in steps {
            if name.is_some() {
                origins::before(&mut into.map);
            }
            let placed = |error| self.helpers().placed(error, place);
            run.transform(&mut into.map).map_err(placed)?;
            if let Some(name) = name {
                origins::after(&mut into.map, &name);
            }
            if let Some(record) = record {
                origin_annotation::add_transformation(&mut into.map, &record)?;
            }
            into.map.drop_empty();
        }
        Ok(())
    }

    fn plugin_transformers(&self, entries: &[Located]) -> Result<Steps> {
        let mut steps = Steps::new();
        if entries.is_empty() {
            return Ok(steps);
        }
        let helpers = self.helpers();
        for object in self.plugin_objects(entries)?.objects() {
            let transformers = plugin::transformers(object, &helpers)?;
            let count = transformers.len();
            for (i, run) in transformers.into_iter().enumerate() {
                // One configuration may stand for two steps; it is noted once, after the last.
                let record = if i + 1 == count { Record::of_plugin(object) } else { None };
                let (name, place) = (self.plugin_name(object), object.place);
                steps.push(Step { run, record, name, place });
            }
        }
        Ok(steps)
    }

    /// Transformers that fields of the kustomization ask for, in the order in which they run:
    /// patches see objects as they were written, names and labels come after, images and
    /// replacements see what all others left.
    fn built_in_transformers(&self, config: &TransformerConfig) -> Result<Steps> {
        let mut steps = Steps::new();
        self.add_patches_strategic_merge(&mut steps)?;
        self.add_patches(&mut steps)?;
        self.add_namespace(&mut steps, config);
        self.add_names(&mut steps, config);
        self.add_labels(&mut steps, config)?;
        self.add_annotations(&mut steps, config);
        self.add_patches_json6902(&mut steps)?;
        self.add_replicas(&mut steps, config);
        self.add_images(&mut steps, config);
        self.add_replacements(&mut steps)?;
        Ok(steps)
    }

    fn trouble(&self, error: BuildError, kind: &str, config: &str, place: Place) -> BuildError {
        let error =
            error.wrap(format!("trouble configuring builtin {kind} with config: `\n{config}`"));
        self.helpers().placed(error, place)
    }

    fn add_patches_strategic_merge(&self, steps: &mut Steps) -> Result<()> {
        let kind = "PatchStrategicMergeTransformer";
        let Some(paths) = &self.kustomization.patches_strategic_merge else { return Ok(()) };
        let Some(first) = paths.first() else { return Ok(()) };
        let mut transformer = PatchStrategicMergeTransformer::default();
        transformer.paths.clone_from(paths);
        transformer.load(&self.helpers()).map_err(|error| {
            let lines: Vec<String> =
                paths.iter().map(|path| format!("- {}\n", path.text)).collect();
            self.trouble(error, kind, &format!("paths:\n{}", lines.concat()), first.place)
        })?;
        let step = self.transformer(transformer, kind, "patchesStrategicMerge", None);
        steps.push(Step { place: first.place, ..step });
        Ok(())
    }

    fn add_patches(&self, steps: &mut Steps) -> Result<()> {
        let kind = "PatchTransformer";
        for (i, patch) in self.kustomization.patches.iter().flatten().enumerate() {
            let mut transformer = PatchTransformer::new(patch);
            transformer
                .load(&self.helpers())
                .map_err(|error| self.trouble(error, kind, &shown_patch(patch), place_of(patch)))?;
            let step = self.transformer(transformer, kind, "patches", Some(i));
            steps.push(Step { place: place_of(patch), ..step });
        }
        Ok(())
    }

    fn add_patches_json6902(&self, steps: &mut Steps) -> Result<()> {
        let kind = "PatchJson6902Transformer";
        for (i, patch) in self.kustomization.patches_json6902.iter().flatten().enumerate() {
            let mut transformer = PatchJson6902Transformer::new(patch);
            transformer
                .load(&self.helpers())
                .map_err(|error| self.trouble(error, kind, &shown_patch(patch), place_of(patch)))?;
            let step = self.transformer(transformer, kind, "patchesJson6902", Some(i));
            steps.push(Step { place: place_of(patch), ..step });
        }
        Ok(())
    }

    fn add_namespace(&self, steps: &mut Steps, config: &TransformerConfig) {
        if self.kustomization.namespace.is_empty() {
            return;
        }
        let mut transformer = NamespaceTransformer {
            field_specs: config.namespace.0.clone(),
            place: self.place_at(&[At::Field("namespace")]),
            ..Default::default()
        };
        transformer.metadata.namespace.clone_from(&self.kustomization.namespace);
        steps.push(self.transformer(transformer, "NamespaceTransformer", "namespace", None));
    }

    fn add_names(&self, steps: &mut Steps, config: &TransformerConfig) {
        let k = &self.kustomization;
        if !k.name_prefix.is_empty() {
            let field_specs = Some(config.name_prefix.0.clone());
            let prefix = k.name_prefix.clone();
            let place = self.place_at(&[At::Field("namePrefix")]);
            let transformer = PrefixTransformer { prefix, field_specs, place };
            steps.push(self.transformer(transformer, "PrefixTransformer", "namePrefix", None));
        }
        if !k.name_suffix.is_empty() {
            let field_specs = Some(config.name_suffix.0.clone());
            let suffix = k.name_suffix.clone();
            let place = self.place_at(&[At::Field("nameSuffix")]);
            let transformer = SuffixTransformer { suffix, field_specs, place };
            steps.push(self.transformer(transformer, "SuffixTransformer", "nameSuffix", None));
        }
    }

    fn add_labels(&self, steps: &mut Steps, config: &TransformerConfig) -> Result<()> {
        let kind = "LabelTransformer";
        let labels = self.kustomization.labels.as_deref().unwrap_or_default();
        let common = self.kustomization.common_labels.as_ref();
        for (i, label) in labels.iter().enumerate() {
            let merged = || -> Result<FieldSpecs> {
                let mut specs = FieldSpecs(label.fields.clone());
                specs.merge_all(&config.labels)?;
                if label.include_selectors {
                    specs.merge_all(&config.common_labels)?;
                } else {
                    if label.include_templates {
                        specs
                            .merge_all(&config.template_labels)
                            .map_err(|error| error.wrap("failed to merge template fieldSpec"))?;
                    }
                    specs.merge_one(&FieldSpec::at("metadata/labels", true))?;
                }
                Ok(specs)
            };
            let specs = merged().map_err(|error| error.wrap("failed to merge labels"))?;
            let labels = label.pairs.clone();
            let places =
                self.pair_places(&labels, &[At::Field("labels"), At::Index(i), At::Field("pairs")]);
            let transformer = LabelTransformer { labels, field_specs: specs.0, places };
            steps.push(self.transformer(transformer, kind, "labels", Some(i)));
        }
        if !labels.is_empty() || common.is_some_and(|common| !common.is_empty()) {
            let labels = common.cloned().unwrap_or_default();
            let places = self.pair_places(&labels, &[At::Field("commonLabels")]);
            let field_specs = config.common_labels.0.clone();
            let transformer = LabelTransformer { labels, field_specs, places };
            steps.push(self.transformer(transformer, kind, "commonLabels", None));
        }
        Ok(())
    }

    fn add_annotations(&self, steps: &mut Steps, config: &TransformerConfig) {
        let annotations = self.kustomization.common_annotations.as_ref();
        let Some(annotations) = annotations.filter(|map| !map.is_empty()) else { return };
        let transformer = AnnotationsTransformer {
            annotations: annotations.clone(),
            field_specs: config.common_annotations.0.clone(),
            places: self.pair_places(annotations, &[At::Field("commonAnnotations")]),
        };
        let (kind, field) = ("AnnotationsTransformer", "commonAnnotations");
        steps.push(self.transformer(transformer, kind, field, None));
    }

    fn add_replicas(&self, steps: &mut Steps, config: &TransformerConfig) {
        for (i, replica) in self.kustomization.replicas.iter().flatten().enumerate() {
            let transformer = ReplicaCountTransformer {
                replica: replica.clone(),
                field_specs: config.replicas.0.clone(),
                place: self.place_at(&[At::Field("replicas"), At::Index(i), At::Field("count")]),
            };
            let kind = "ReplicaCountTransformer";
            steps.push(self.transformer(transformer, kind, "replicas", Some(i)));
        }
    }

    fn add_images(&self, steps: &mut Steps, config: &TransformerConfig) {
        for (i, image) in self.kustomization.images.iter().flatten().enumerate() {
            let transformer = ImageTagTransformer {
                image_tag: image.clone(),
                field_specs: config.images.0.clone(),
                place: self.image_place(image, i),
            };
            steps.push(self.transformer(transformer, "ImageTagTransformer", "images", Some(i)));
        }
    }

    /// The places of the values of a map of the kustomization.
    fn pair_places(&self, pairs: &BTreeMap<String, String>, path: &[At<'_>]) -> Places {
        let place_of = |key: &String| {
            let path: Vec<At<'_>> = path.iter().copied().chain([At::Key(key)]).collect();
            (key.clone(), self.place_at(&path))
        };
        let by_key = match &self.source {
            Some(_) => pairs.keys().map(place_of).collect(),
            None => BTreeMap::new(),
        };
        Places { by_key, other: self.own_place() }
    }

    /// The place of the part of an `images` entry that decides: digest, tag, or name.
    fn image_place(&self, image: &Image, i: usize) -> Place {
        let field = match image {
            Image { digest, .. } if !digest.is_empty() => "digest",
            Image { new_tag, .. } if !new_tag.is_empty() => "newTag",
            Image { tag_suffix, .. } if !tag_suffix.is_empty() => "tagSuffix",
            _ => "newName",
        };
        self.place_at(&[At::Field("images"), At::Index(i), At::Field(field)])
    }

    fn add_replacements(&self, steps: &mut Steps) -> Result<()> {
        let kind = "ReplacementTransformer";
        let replacements = self.kustomization.replacements.as_deref().unwrap_or_default();
        if replacements.is_empty() {
            return Ok(());
        }
        let mut transformer = ReplacementTransformer::new(replacements);
        transformer
            .load(&self.helpers())
            .map_err(|error| self.trouble(error, kind, "replacements:\n", Place::default()))?;
        steps.push(self.transformer(transformer, kind, "replacements", None));
        Ok(())
    }

    /// Validators may look at everything and change nothing but their own label.
    pub(super) fn run_validators(&self, into: &mut Accumulator) -> Result<()> {
        let entries = self.kustomization.validators.as_deref().unwrap_or_default();
        for Step { mut run, .. } in self.plugin_transformers(entries)? {
            let before = into.map.clone();
            run.transform(&mut into.map)?;
            let changed = before.len() != into.map.len()
                || before
                    .objects()
                    .iter()
                    .zip(into.map.objects())
                    .any(|(old, new)| !plugin::only_validated(old.node(), new.node()));
            if changed {
                let first = before.objects().first().map(|o| shown(o.id())).unwrap_or_default();
                let words =
                    format!("validator shouldn't modify the resource map: nodes unequal: {first}");
                return Err(BuildError::new(ErrorKind::InvalidTransformer, words));
            }
        }
        Ok(())
    }
}

/// A part of a path in the kustomization file.
#[derive(Clone, Copy)]
enum At<'p> {
    /// A field, in any case.
    Field(&'p str),
    /// A key, as it is written.
    Key(&'p str),
    Index(usize),
}

fn place_of(patch: &Patch) -> Place {
    if patch.path.text.is_empty() { patch.patch.place } else { patch.path.place }
}

/// A patch entry as upstream's messages show it.
fn shown_patch(patch: &Patch) -> String {
    if patch.path.text.is_empty() {
        let lines: Vec<String> =
            patch.patch.text.lines().map(|line| format!("  {line}\n")).collect();
        return format!("patch: |-\n{}", lines.concat());
    }
    format!("path: {}\n", patch.path.text)
}
