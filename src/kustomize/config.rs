//! The transformer configuration: the field specs of every transformer, and who refers to whom.
//!
//! The defaults stand in `schemas/kustomize/fieldspecs.txt`, in the order in which the official
//! program holds them. `configurations:` and `crds:` add to them; what is merged is sorted again.
//! Upstream: `api/internal/plugins/builtinconfig`.

use std::sync::Arc;
use std::sync::OnceLock;

use super::error::Result;
use super::fieldspec::FieldSpec;
use super::fieldspec::FieldSpecs;
use super::gvk::GvkPattern;

static DEFAULTS: &str = include_str!("../../schemas/kustomize/fieldspecs.txt");

/// Objects of type `target` are named by the fields `referrers`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NameReference {
    pub(crate) target: GvkPattern,
    pub(crate) referrers: FieldSpecs,
}

/// The field specs of every transformer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TransformerConfig {
    pub(crate) name_prefix: FieldSpecs,
    pub(crate) name_suffix: FieldSpecs,
    pub(crate) namespace: FieldSpecs,
    pub(crate) common_labels: FieldSpecs,
    pub(crate) labels: FieldSpecs,
    pub(crate) template_labels: FieldSpecs,
    pub(crate) common_annotations: FieldSpecs,
    pub(crate) name_reference: Vec<NameReference>,
    pub(crate) var_reference: FieldSpecs,
    pub(crate) images: FieldSpecs,
    pub(crate) replicas: FieldSpecs,
}

impl TransformerConfig {
    /// The built-in configuration, shared.
    pub(crate) fn built_in() -> Arc<Self> {
        static BUILT_IN: OnceLock<Arc<TransformerConfig>> = OnceLock::new();
        Arc::clone(BUILT_IN.get_or_init(|| Arc::new(parse_defaults())))
    }

    /// The lists that hold plain field specs, by the names under which files give them.
    pub(crate) fn list_mut(&mut self, name: &str) -> Option<&mut FieldSpecs> {
        Some(match name {
            "namePrefix" => &mut self.name_prefix,
            "nameSuffix" => &mut self.name_suffix,
            "namespace" => &mut self.namespace,
            "commonLabels" => &mut self.common_labels,
            "labels" => &mut self.labels,
            "templateLabels" => &mut self.template_labels,
            "commonAnnotations" => &mut self.common_annotations,
            "varReference" => &mut self.var_reference,
            "images" => &mut self.images,
            "replicas" => &mut self.replicas,
            _ => return None,
        })
    }

    /// Adds all of `other`, then sorts.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<()> {
        let failed = |name: &str| format!("failed to merge {name} fieldSpec");
        let lists = [
            (&mut self.name_prefix, &other.name_prefix, "NamePrefix"),
            (&mut self.name_suffix, &other.name_suffix, "NameSuffix"),
            (&mut self.namespace, &other.namespace, "NameSpace"),
            (&mut self.common_annotations, &other.common_annotations, "CommonAnnotations"),
            (&mut self.common_labels, &other.common_labels, "CommonLabels"),
            (&mut self.labels, &other.labels, "Labels"),
            (&mut self.template_labels, &other.template_labels, "TemplateLabels"),
            (&mut self.var_reference, &other.var_reference, "VarReference"),
            (&mut self.images, &other.images, "Images"),
            (&mut self.replicas, &other.replicas, "Replicas"),
        ];
        for (own, others, name) in lists {
            own.merge_all(others).map_err(|error| error.wrap(failed(name)))?;
            own.sort();
        }
        for reference in &other.name_reference {
            self.merge_reference(reference).map_err(|error| error.wrap(failed("NameReference")))?;
        }
        self.name_reference.sort_by_cached_key(|reference| reference.target.sort_key());
        Ok(())
    }

    /// Adds the referrers of one target type.
    pub(crate) fn merge_reference(&mut self, reference: &NameReference) -> Result<()> {
        let mut found = false;
        for have in &mut self.name_reference {
            if have.target == reference.target {
                have.referrers.merge_all(&reference.referrers)?;
                found = true;
            }
        }
        if !found {
            self.name_reference.push(reference.clone());
        }
        Ok(())
    }

    pub(crate) fn sort(&mut self) {
        let lists = [
            &mut self.name_prefix,
            &mut self.name_suffix,
            &mut self.namespace,
            &mut self.common_labels,
            &mut self.labels,
            &mut self.template_labels,
            &mut self.common_annotations,
            &mut self.var_reference,
            &mut self.images,
            &mut self.replicas,
        ];
        lists.into_iter().for_each(FieldSpecs::sort);
        self.name_reference.sort_by_cached_key(|reference| reference.target.sort_key());
    }
}

/// `shared` with all of `other`; nothing is copied when both are the same.
pub(crate) fn merged(
    shared: Arc<TransformerConfig>,
    other: &Arc<TransformerConfig>,
) -> Result<Arc<TransformerConfig>> {
    if Arc::ptr_eq(&shared, other) || **other == TransformerConfig::default() {
        return Ok(shared);
    }
    // The defaults are merged already: what an empty one takes up stays as it is.
    if *shared == TransformerConfig::default() && Arc::ptr_eq(other, &TransformerConfig::built_in())
    {
        return Ok(Arc::clone(other));
    }
    let mut own = Arc::unwrap_or_clone(shared);
    own.merge(other)?;
    Ok(Arc::new(own))
}

fn parse_defaults() -> TransformerConfig {
    let mut config = TransformerConfig::default();
    let mut section = "";
    let own = |word: &str| if word == "-" { String::new() } else { word.to_owned() };
    for line in DEFAULTS.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match (line.starts_with(' '), words.as_slice()) {
            (false, [name]) => section = name,
            (false, [name, group, version, kind]) => {
                section = name;
                let gvk = [group, version, kind].map(|word| own(word));
                config
                    .name_reference
                    .push(NameReference { target: pattern(gvk), referrers: FieldSpecs::default() });
            }
            (true, [group, version, kind, create, path]) => {
                let gvk = pattern([group, version, kind].map(|word| own(word)));
                let create = *create == "create";
                let spec = FieldSpec { gvk, path: (*path).to_owned(), create };
                let list = match config.list_mut(section) {
                    Some(list) => Some(list),
                    None => config.name_reference.last_mut().map(|last| &mut last.referrers),
                };
                if let Some(list) = list {
                    list.0.push(spec);
                }
            }
            _ => {}
        }
    }
    config
}

fn pattern([group, version, kind]: [String; 3]) -> GvkPattern {
    GvkPattern { group, version, kind }
}

#[cfg(test)]
mod tests {
    use super::TransformerConfig;

    #[test]
    fn defaults_are_whole_and_stay_put_when_merged() {
        let defaults = TransformerConfig::built_in();
        assert_eq!(defaults.name_reference.len(), 16);
        assert_eq!(defaults.images.0.len(), 6);
        assert_eq!(defaults.replicas.0.len(), 4);
        assert!(defaults.var_reference.0.len() > 40);
        let mut again = TransformerConfig::default();
        again.merge(&defaults).unwrap();
        assert_eq!(again, *defaults);
    }
}
