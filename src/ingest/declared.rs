//! Fields of manifests and live objects as facts, for the inputs that rule files declare.
//!
//! ```text
//! builds ───────▶ manifests (held) ──▶ rows (unit, object, value)
//! watch events ─▶ scalars (kept) ────▶ rows (object, value), once a manifest says what is secret
//! ```
//!
//! A value that may be secret is told by its keyed digest alone: data of Secrets, fields that
//! substitution filled from a Secret, and what kubectl kept of a manifest in an annotation. Which
//! fields of a live object those are, only its manifest says, so live fields are told of objects
//! that some unit's last build contains.
//!
//! Not here: what a declaration means (`facts`), reading the objects again when other fields are
//! declared (`daemon`).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::datalog::Fact;
use crate::facts::Column as _;
use crate::facts::DeclaredInput;
use crate::facts::Side;
use crate::facts::Statement;
use crate::ingest::Ingest;
use crate::model::Manifest;
use crate::model::ObjectRef;
use crate::model::UnitName;

/// Where kubectl keeps the manifest that it applied.
const LAST_APPLIED: &str =
    "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";

/// Fields of a Secret that are no secret.
const OPEN_FIELDS: &[&str] = &["/apiVersion", "/kind", "/metadata/", "/type", "/immutable"];

/// What is remembered for declared inputs.
#[derive(Default)]
pub(super) struct Declared {
    inputs: Arc<[DeclaredInput]>,
    /// Per live object: the input's place, the pointer and the scalar. Never told as it is.
    live: BTreeMap<ObjectRef, Vec<(usize, String, Json)>>,
    /// Per object, the units whose last build contains it.
    wanted: BTreeMap<ObjectRef, BTreeSet<UnitName>>,
}

impl Ingest {
    /// From now on these inputs are told; live objects have to be observed again for that.
    pub fn declare(&mut self, inputs: Vec<DeclaredInput>) -> Vec<Statement> {
        let inputs: Arc<[DeclaredInput]> = inputs.into();
        let everything = inputs.iter().map(|i| Statement::nothing(&i.relation, Vec::new()));
        let mut said: Vec<Statement> = everything.collect();
        self.declared = Declared { inputs, ..Declared::default() };
        let units: Vec<UnitName> = self.units.keys().cloned().collect();
        for unit in units {
            said.extend(self.declared_of_unit(&unit, &BTreeSet::new()));
        }
        said
    }

    /// Whether live objects have to be observed for declared inputs.
    pub fn declares_live(&self) -> bool {
        self.declared.inputs.iter().any(|input| input.side == Side::Live)
    }

    /// Objects of the unit's last build.
    pub(super) fn objects_of(&self, unit: &UnitName) -> BTreeSet<ObjectRef> {
        if self.declared.inputs.is_empty() {
            return BTreeSet::new();
        }
        self.manifests_of(unit).map(|manifest| manifest.object).collect()
    }

    fn manifests_of(&self, unit: &UnitName) -> impl Iterator<Item = Manifest> {
        let digests = self.units.get(unit).map(|memory| memory.manifests.as_slice());
        digests.unwrap_or_default().iter().filter_map(|digest| self.manifests.get(digest))
    }

    /// What the manifests of the unit's last build say; `before` are the objects of the one before.
    pub(super) fn declared_of_unit(
        &mut self,
        unit: &UnitName,
        before: &BTreeSet<ObjectRef>,
    ) -> Vec<Statement> {
        let inputs = Arc::clone(&self.declared.inputs);
        if inputs.is_empty() {
            return Vec::new();
        }
        let manifests: Vec<Manifest> = self.manifests_of(unit).collect();
        let mut said = Vec::new();
        for input in inputs.iter().filter(|input| input.side == Side::Desired) {
            let rows = manifests.iter().flat_map(|manifest| self.rows(input, unit, manifest));
            said.push(Statement::exactly(&input.relation, vec![unit.column()], rows.collect()));
        }
        for object in before {
            if let Some(units) = self.declared.wanted.get_mut(object) {
                units.remove(unit);
            }
        }
        for manifest in &manifests {
            let units = self.declared.wanted.entry(manifest.object.clone()).or_default();
            units.insert(unit.clone());
        }
        self.declared.wanted.retain(|_, units| !units.is_empty());
        let objects: BTreeSet<&ObjectRef> =
            before.iter().chain(manifests.iter().map(|manifest| &manifest.object)).collect();
        objects.iter().for_each(|object| said.extend(self.declared_of_live(object)));
        said
    }

    fn rows(&self, input: &DeclaredInput, unit: &UnitName, manifest: &Manifest) -> Vec<Fact> {
        let scalars = input.path.scalars(&manifest.json).into_iter();
        let values = scalars.filter_map(|(pointer, scalar)| {
            if is_secret(&manifest.object, &pointer, [manifest]) {
                input.secret_value(&self.options.key.digest(text(scalar).as_bytes()).to_string())
            } else {
                input.value(scalar)
            }
        });
        let fact = |value| {
            let row = vec![unit.column(), manifest.object.column(), value];
            Fact::new(Arc::clone(&input.relation), row)
        };
        values.map(fact).collect()
    }

    /// Remembers the declared fields of a live object, and tells them.
    pub(super) fn declared_live(&mut self, object: &ObjectRef, live: &Json) -> Vec<Statement> {
        let inputs = Arc::clone(&self.declared.inputs);
        let mut kept = Vec::new();
        for (at, input) in inputs.iter().enumerate().filter(|(_, i)| i.side == Side::Live) {
            let scalars = input.path.scalars(live).into_iter();
            kept.extend(scalars.map(|(pointer, scalar)| (at, pointer, scalar.clone())));
        }
        if kept.is_empty() {
            self.declared.live.remove(object);
        } else {
            self.declared.live.insert(object.clone(), kept);
        }
        self.declared_of_live(object)
    }

    /// The live object is gone, or not seen any more.
    pub(super) fn declared_unseen(&mut self, object: &ObjectRef) -> Vec<Statement> {
        self.declared.live.remove(object);
        self.declared_of_live(object)
    }

    fn declared_of_live(&self, object: &ObjectRef) -> Vec<Statement> {
        let inputs = Arc::clone(&self.declared.inputs);
        let units = self.declared.wanted.get(object);
        let manifests: Vec<Manifest> = units
            .into_iter()
            .flatten()
            .flat_map(|unit| self.manifests_of(unit))
            .filter(|manifest| manifest.object == *object)
            .collect();
        let kept = self.declared.live.get(object).filter(|_| !manifests.is_empty());
        let mut rows: BTreeMap<usize, Vec<Fact>> = BTreeMap::new();
        for (at, pointer, scalar) in kept.into_iter().flatten() {
            let input = &inputs[*at];
            let value = if is_secret(object, pointer, &manifests) {
                input.secret_value(&self.options.key.digest(text(scalar).as_bytes()).to_string())
            } else {
                input.value(scalar)
            };
            let fact = |value| Fact::new(Arc::clone(&input.relation), vec![object.column(), value]);
            rows.entry(*at).or_default().extend(value.map(fact));
        }
        let live = inputs.iter().enumerate().filter(|(_, input)| input.side == Side::Live);
        let exactly = |(at, input): (usize, &DeclaredInput)| {
            let rows = rows.remove(&at).unwrap_or_default();
            Statement::exactly(&input.relation, vec![object.column()], rows)
        };
        live.map(exactly).collect()
    }
}

fn text(scalar: &Json) -> String {
    scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned)
}

/// Whether a field may hold a secret. Items of lists may stand elsewhere in the live object, so
/// their places do not count.
fn is_secret<'a>(
    object: &ObjectRef,
    pointer: &str,
    manifests: impl IntoIterator<Item = &'a Manifest>,
) -> bool {
    if pointer == LAST_APPLIED {
        return true;
    }
    let is_open = || OPEN_FIELDS.iter().any(|open| pointer.starts_with(open));
    if object.group.is_empty() && object.kind == "Secret" && !is_open() {
        return true;
    }
    let mut tainted = manifests.into_iter().flat_map(|manifest| manifest.secret_fields.iter());
    tainted.any(|field| is_within(pointer, field))
}

/// Whether `pointer` is `field` or below it, whatever the places in lists.
fn is_within(pointer: &str, field: &str) -> bool {
    let same = |a: &str, b: &str| {
        let is_place = |step: &str| step.bytes().all(|byte| byte.is_ascii_digit());
        a == b || (is_place(a) && is_place(b))
    };
    let mut steps = pointer.split('/');
    field.split('/').all(|wanted| steps.next().is_some_and(|step| same(step, wanted)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_be_secret_is_told_by_digest() {
        let manifest = |kind: &str, secret_fields: &[&str]| Manifest {
            object: ObjectRef::new("", kind, "shop", "a"),
            api_version: "v1".to_owned(),
            json: Arc::new(json!({})),
            secret_fields: secret_fields.iter().map(|field| (*field).to_owned()).collect(),
        };
        #[rustfmt::skip]
        let cases: &[(&str, &[&str], &str, bool)] = &[
            ("Secret",    &[],                  "/data/password",                     true),
            ("Secret",    &[],                  "/stringData/password",               true),
            ("Secret",    &[],                  "/metadata/annotations/team~1by",     false),
            ("Secret",    &[],                  LAST_APPLIED,                         true),
            ("ConfigMap", &[],                  "/data/url",                          false),
            ("ConfigMap", &["/data/url"],       "/data/url",                          true),
            ("ConfigMap", &["/data/url"],       "/data/urls",                         false),
            ("ConfigMap", &["/data"],           "/data/url",                          true),
            ("ConfigMap", &["/spec/env/0/value"], "/spec/env/3/value",                true),
            ("ConfigMap", &["/spec/env/0/value"], "/spec/env/3/name",                 false),
            ("ConfigMap", &[],                  LAST_APPLIED,                         true),
        ];
        for (kind, fields, pointer, want) in cases {
            let manifest = manifest(kind, fields);
            let found = is_secret(&manifest.object, pointer, [&manifest]);
            assert_eq!(found, *want, "{kind} {fields:?} {pointer}");
        }
    }
}
