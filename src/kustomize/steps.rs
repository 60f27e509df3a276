//! The steps of one kustomization: generators, transformers, validators, in upstream's order.
//!
//! Upstream: `api/internal/target/kusttarget_configplugin.go`.

use super::accumulator::Accumulator;
use super::builtins::annotations_transformer::AnnotationsTransformer;
use super::builtins::config_map_generator::ConfigMapGenerator;
use super::builtins::image_tag_transformer::ImageTagTransformer;
use super::builtins::label_transformer::LabelTransformer;
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
use super::kustomization::Patch;
use super::origin_annotation;
use super::origin_annotation::Record;
use super::plugin;
use super::plugin::Generator;
use super::plugin::Transformer;
use super::resmap::shown;
use super::target::Target;
use super::yaml::Place;

/// A step and the record of what configures it.
type Step<T> = (Box<T>, Option<Record>);
type Steps = Vec<Step<dyn Transformer>>;

impl Target<'_, '_> {
    /// The place of values that a field of this kustomization brings.
    fn own_place(&self) -> Place {
        Place::made_by(self.build.file_id(&self.path))
    }

    fn record_of(&self, kind: &str) -> Option<Record> {
        self.record.as_ref().map(|record| record.of_field(self.file_name, kind))
    }

    pub(super) fn run_generators(&self, into: &mut Accumulator) -> Result<()> {
        let helpers = self.helpers();
        for (mut generator, record) in self.generators()? {
            let mut objects = generator.generate(&helpers)?;
            if let Some(record) = record {
                origin_annotation::add_origin(&mut objects, &record)?;
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
        for args in k.config_map_generator.iter().flatten() {
            let mut generator = ConfigMapGenerator { args: args.clone(), ..Default::default() };
            let options = &mut generator.args.args.options;
            *options = merged_options(options.take(), global);
            steps.push((Box::new(generator), self.record_of("ConfigMapGenerator")));
        }
        for args in k.secret_generator.iter().flatten() {
            let mut generator = SecretGenerator { args: args.clone(), ..Default::default() };
            let options = &mut generator.args.args.options;
            *options = merged_options(options.take(), global);
            steps.push((Box::new(generator), self.record_of("SecretGenerator")));
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
                let generator = plugin::generator(object)
                    .map_err(|error| loading(error.wrap("failed to load generator")))?;
                steps.push((generator, record));
            }
        }
        Ok(steps)
    }

    pub(super) fn run_transformers(&self, into: &mut Accumulator) -> Result<()> {
        let config = std::sync::Arc::clone(&into.config);
        let mut steps = self.built_in_transformers(&config)?;
        steps.extend(
            self.plugin_transformers(
                self.kustomization.transformers.as_deref().unwrap_or_default(),
            )?,
        );
        for (mut transformer, record) in steps {
            transformer.transform(&mut into.map)?;
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
            for (i, transformer) in transformers.into_iter().enumerate() {
                // One configuration may stand for two steps; it is noted once, after the last.
                let record = if i + 1 == count { Record::of_plugin(object) } else { None };
                steps.push((transformer, record));
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
        steps.push((Box::new(transformer), self.record_of(kind)));
        Ok(())
    }

    fn add_patches(&self, steps: &mut Steps) -> Result<()> {
        let kind = "PatchTransformer";
        for patch in self.kustomization.patches.iter().flatten() {
            let mut transformer = PatchTransformer::new(patch);
            transformer
                .load(&self.helpers())
                .map_err(|error| self.trouble(error, kind, &shown_patch(patch), place_of(patch)))?;
            steps.push((Box::new(transformer), self.record_of(kind)));
        }
        Ok(())
    }

    fn add_patches_json6902(&self, steps: &mut Steps) -> Result<()> {
        let kind = "PatchJson6902Transformer";
        for patch in self.kustomization.patches_json6902.iter().flatten() {
            let mut transformer = PatchJson6902Transformer::new(patch);
            transformer
                .load(&self.helpers())
                .map_err(|error| self.trouble(error, kind, &shown_patch(patch), place_of(patch)))?;
            steps.push((Box::new(transformer), self.record_of(kind)));
        }
        Ok(())
    }

    fn add_namespace(&self, steps: &mut Steps, config: &TransformerConfig) {
        if self.kustomization.namespace.is_empty() {
            return;
        }
        let mut transformer = NamespaceTransformer {
            field_specs: config.namespace.0.clone(),
            place: self.own_place(),
            ..Default::default()
        };
        transformer.metadata.namespace.clone_from(&self.kustomization.namespace);
        steps.push((Box::new(transformer), self.record_of("NamespaceTransformer")));
    }

    fn add_names(&self, steps: &mut Steps, config: &TransformerConfig) {
        let (k, place) = (&self.kustomization, self.own_place());
        if !k.name_prefix.is_empty() {
            let field_specs = Some(config.name_prefix.0.clone());
            let prefix = k.name_prefix.clone();
            let transformer = PrefixTransformer { prefix, field_specs, place };
            steps.push((Box::new(transformer), self.record_of("PrefixTransformer")));
        }
        if !k.name_suffix.is_empty() {
            let field_specs = Some(config.name_suffix.0.clone());
            let suffix = k.name_suffix.clone();
            let transformer = SuffixTransformer { suffix, field_specs, place };
            steps.push((Box::new(transformer), self.record_of("SuffixTransformer")));
        }
    }

    fn add_labels(&self, steps: &mut Steps, config: &TransformerConfig) -> Result<()> {
        let place = self.own_place();
        let kind = "LabelTransformer";
        let labels = self.kustomization.labels.as_deref().unwrap_or_default();
        let common = self.kustomization.common_labels.as_ref();
        for label in labels {
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
            let transformer = LabelTransformer { labels, field_specs: specs.0, place };
            steps.push((Box::new(transformer), self.record_of(kind)));
        }
        if !labels.is_empty() || common.is_some_and(|common| !common.is_empty()) {
            let transformer = LabelTransformer {
                labels: common.cloned().unwrap_or_default(),
                field_specs: config.common_labels.0.clone(),
                place,
            };
            steps.push((Box::new(transformer), self.record_of(kind)));
        }
        Ok(())
    }

    fn add_annotations(&self, steps: &mut Steps, config: &TransformerConfig) {
        let annotations = self.kustomization.common_annotations.as_ref();
        let Some(annotations) = annotations.filter(|map| !map.is_empty()) else { return };
        let transformer = AnnotationsTransformer {
            annotations: annotations.clone(),
            field_specs: config.common_annotations.0.clone(),
            place: self.own_place(),
        };
        steps.push((Box::new(transformer), self.record_of("AnnotationsTransformer")));
    }

    fn add_replicas(&self, steps: &mut Steps, config: &TransformerConfig) {
        for replica in self.kustomization.replicas.iter().flatten() {
            let transformer = ReplicaCountTransformer {
                replica: replica.clone(),
                field_specs: config.replicas.0.clone(),
                place: self.own_place(),
            };
            steps.push((Box::new(transformer), self.record_of("ReplicaCountTransformer")));
        }
    }

    fn add_images(&self, steps: &mut Steps, config: &TransformerConfig) {
        for image in self.kustomization.images.iter().flatten() {
            let transformer = ImageTagTransformer {
                image_tag: image.clone(),
                field_specs: config.images.0.clone(),
                place: self.own_place(),
            };
            steps.push((Box::new(transformer), self.record_of("ImageTagTransformer")));
        }
    }

    fn add_replacements(&self, steps: &mut Steps) -> Result<()> {
        let kind = "ReplacementTransformer";
        let replacements = self.kustomization.replacements.as_deref().unwrap_or_default();
        if replacements.is_empty() {
            return Ok(());
        }
        let mut transformer = ReplacementTransformer::new(replacements, self.own_place());
        transformer
            .load(&self.helpers())
            .map_err(|error| self.trouble(error, kind, "replacements:\n", Place::default()))?;
        steps.push((Box::new(transformer), self.record_of(kind)));
        Ok(())
    }

    /// Validators may look at everything and change nothing but their own label.
    pub(super) fn run_validators(&self, into: &mut Accumulator) -> Result<()> {
        let entries = self.kustomization.validators.as_deref().unwrap_or_default();
        for (mut validator, _) in self.plugin_transformers(entries)? {
            let before = into.map.clone();
            validator.transform(&mut into.map)?;
            let changed = before.len() != into.map.len()
                || before.objects().iter().zip(into.map.objects()).any(|(old, new)| {
                    old.node() != new.node()
                        && *old.node() != plugin::without_validation_label(new.node())
                });
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
