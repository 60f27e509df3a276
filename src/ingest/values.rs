//! ConfigMaps and Secrets that substitution and sources read. Their values stay here; facts get a
//! keyed digest.

use std::collections::BTreeMap;

use crate::api::KustomizationSpec;
use crate::api::SubstituteKind;
use crate::facts::Column as _;
use crate::facts::Statement;
use crate::facts::relation;
use crate::ingest::Ingest;
use crate::ingest::unit;
use crate::kustomize::flux::Variables;
use crate::model::Digest;
use crate::model::DigestKey;
use crate::model::ObjectRef;
use crate::model::UnitName;

/// What is known of a unit's variables.
pub(super) enum Resolved {
    /// All sources were read.
    Known(Known),
    /// A source has not been observed yet.
    Unknown,
    /// A source that is not optional does not exist.
    Missing(String),
}

/// Variables with the keyed digest by which facts name them.
#[derive(Default)]
pub(super) struct Known {
    pub(super) variables: Variables,
    parts: Vec<Vec<u8>>,
}

impl Known {
    fn set(&mut self, name: &str, value: &str, secret: bool) {
        if secret {
            self.variables.set_secret(name, value);
        } else {
            self.variables.set(name, value);
        }
        self.parts.extend([name.as_bytes().to_vec(), value.as_bytes().to_vec()]);
    }

    fn digest(&self, key: &DigestKey) -> Digest {
        let parts = Digest::of_parts(self.parts.iter().map(Vec::as_slice));
        key.digest(parts.as_bytes())
    }
}

impl Ingest {
    pub(super) fn values(
        &mut self,
        object: ObjectRef,
        values: Option<BTreeMap<String, Vec<u8>>>,
    ) -> Vec<Statement> {
        self.values.insert(object.clone(), values);
        let reads = |name: &UnitName, spec: &KustomizationSpec| {
            unit::value_sources(name, spec).any(|source| source == object)
        };
        let units: Vec<UnitName> = self
            .units
            .iter()
            .filter(|(name, memory)| reads(name, &memory.spec))
            .map(|(name, _)| name.clone())
            .collect();
        let mut said: Vec<Statement> =
            units.iter().flat_map(|name| self.variables_of(name)).collect();
        said.extend(self.sources_reading(&object));
        said
    }

    /// What is to be said of the unit's variables.
    pub(super) fn variables_of(&self, name: &UnitName) -> Vec<Statement> {
        let Some(memory) = self.units.get(name) else { return Vec::new() };
        let mut known = Vec::new();
        let mut missing = Vec::new();
        match self.resolve(name, &memory.spec) {
            Resolved::Known(resolved) => {
                let digest = resolved.digest(&self.options.key).to_string();
                known.push(relation::variables(name, &digest));
            }
            Resolved::Missing(message) => missing.push(relation::variables_missing(name, &message)),
            Resolved::Unknown => {}
        }
        let prefix = || vec![name.column()];
        vec![
            Statement::exactly("variables", prefix(), known),
            Statement::exactly("variables_missing", prefix(), missing),
        ]
    }

    /// The variables of a unit: substituteFrom in order, then the inline ones, which win.
    pub(super) fn resolve(&self, name: &UnitName, spec: &KustomizationSpec) -> Resolved {
        let mut known = Known::default();
        let Some(post) = &spec.post_build else { return Resolved::Known(known) };
        for reference in &post.substitute_from {
            let secret = reference.kind == SubstituteKind::Secret;
            let kind = if secret { "Secret" } else { "ConfigMap" };
            let object = ObjectRef::new("", kind, &name.namespace, &reference.name);
            match self.values.get(&object) {
                None => return Resolved::Unknown,
                Some(Some(values)) => {
                    for (key, value) in values {
                        known.set(key, &String::from_utf8_lossy(value), secret);
                    }
                }
                Some(None) if reference.optional => {}
                Some(None) => {
                    let (plural, name) = (plural(kind), &reference.name);
                    return Resolved::Missing(format!(
                        "substitute from '{kind}/{name}' error: {plural} \"{name}\" not found"
                    ));
                }
            }
        }
        for (key, value) in &post.substitute {
            known.set(key, value, false);
        }
        Resolved::Known(known)
    }
}

fn plural(kind: &str) -> &'static str {
    if kind == "Secret" { "secrets" } else { "configmaps" }
}
