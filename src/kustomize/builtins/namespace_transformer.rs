//! `namespace:`, and the plugin of that name.
//!
//! Namespaced objects get it in their metadata; fields that name a namespace elsewhere (webhooks,
//! API services, conversions) by field spec; subjects of role bindings by a mode of their own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::BuildError;
use crate::kustomize::error::ErrorKind;
use crate::kustomize::error::Result;
use crate::kustomize::fieldspec::Create;
use crate::kustomize::fieldspec::FieldSpec;
use crate::kustomize::kustomization::ObjectMeta;
use crate::kustomize::path;
use crate::kustomize::path::Kind;
use crate::kustomize::pen::Pen;
use crate::kustomize::plugin::Transformer;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::resmap::shown;
use crate::kustomize::resource::Object;
use crate::kustomize::resource::annotation;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Place;
use crate::kustomize::yaml::Tag;

/// Sets the namespace of objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct NamespaceTransformer {
    pub(crate) metadata: ObjectMeta,
    pub(crate) field_specs: Vec<FieldSpec>,
    pub(crate) unset_only: bool,
    pub(crate) set_role_binding_subjects: String,
    pub(crate) place: Place,
}

decode_fields!(NamespaceTransformer {
    "metadata" => metadata,
    "fieldSpecs" => field_specs,
    "unsetOnly" => unset_only,
    "setRoleBindingSubjects" => set_role_binding_subjects,
});

/// Which subjects of role bindings are moved along.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Subjects {
    NamedDefault,
    ServiceAccounts,
    None,
}

impl NamespaceTransformer {
    fn subjects(&self) -> Option<Subjects> {
        match self.set_role_binding_subjects.as_str() {
            "" | "defaultOnly" => Some(Subjects::NamedDefault),
            "allServiceAccounts" => Some(Subjects::ServiceAccounts),
            "none" => Some(Subjects::None),
            _ => None,
        }
    }

    /// Refuses a mode that does not exist.
    pub(crate) fn check(&self) -> Result<()> {
        if self.subjects().is_some() {
            return Ok(());
        }
        let words = format!(
            "invalid value {:?} for setRoleBindingSubjects: must be one of \"defaultOnly\", \"none\" or \"allServiceAccounts\"",
            self.set_role_binding_subjects
        );
        Err(BuildError::new(ErrorKind::InvalidTransformer, words))
    }
}

impl Transformer for NamespaceTransformer {
    fn transform(&mut self, map: &mut ResMap) -> Result<()> {
        if self.metadata.namespace.is_empty() {
            return Ok(());
        }
        let mut counts = HashMap::with_capacity(map.len());
        for object in map.objects() {
            *counts.entry(object.id().key()).or_insert(0usize) += 1;
        }
        let setter = Setter {
            value: Node::string(&self.metadata.namespace).at(self.place),
            unset_only: self.unset_only,
            subjects: self.subjects().unwrap_or(Subjects::None),
            specs: &self.field_specs,
        };
        for object in map.objects_mut() {
            if object.is_empty() || object.first_annotation(annotation::HELM) == Some("true") {
                continue;
            }
            let old = object.id().key();
            object.store_previous_id()?;
            setter.apply(object)?;
            if let Entry::Occupied(mut entry) = counts.entry(old) {
                *entry.get_mut() -= 1;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
            let count = counts.entry(object.id().key()).or_insert(0);
            *count += 1;
            if *count != 1 {
                let id = object.id();
                let words = format!("namespace transformation produces ID conflict: {id}");
                return Err(BuildError::new(ErrorKind::DuplicateId, words)
                    .says(format!("two objects become `{}`", shown(id))));
            }
        }
        Ok(())
    }
}

/// What is set where.
pub(super) struct Setter<'s> {
    value: Node,
    unset_only: bool,
    subjects: Subjects,
    specs: &'s [FieldSpec],
}

impl<'s> Setter<'s> {
    /// Sets the namespace without any further field.
    pub(super) fn plain(namespace: &str) -> Self {
        let (value, subjects) = (Node::string(namespace), Subjects::NamedDefault);
        Self { value, unset_only: false, subjects, specs: &[] }
    }

    pub(super) fn apply(&self, object: &mut Object) -> Result<()> {
        if !object.id().gvk.cluster_scoped {
            let create = Some(Create { kind: Kind::Scalar, tag: Tag::Unset });
            let spec = FieldSpec::at("metadata/namespace", true);
            spec.apply(object, create, &mut |node, pen| self.set(node, pen))?;
        }
        let binding = matches!(object.kind(), "RoleBinding" | "ClusterRoleBinding");
        if binding {
            self.set_subjects(object)?;
        }
        let is_core = &*object.id().gvk.api_version == "v1";
        let create = Some(Create { kind: Kind::Scalar, tag: Tag::Str });
        for spec in self.specs {
            let of_binding = matches!(spec.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
            let skip = match spec.path.as_str() {
                "metadata/namespace" => true,
                "metadata/name" => !is_core,
                "subjects/namespace" => binding && of_binding,
                _ => false,
            };
            if !skip {
                spec.apply(object, create, &mut |node, pen| self.set(node, pen))
                    .map_err(|error| error.wrap("namespace transformation failed"))?;
            }
        }
        Ok(())
    }

    fn set(&self, node: &mut Node, pen: &mut Pen) -> Result<()> {
        if self.unset_only && !path::value_text(node).is_empty() {
            return Ok(());
        }
        path::set_scalar(node, self.value.clone(), pen)
    }

    fn set_subjects(&self, object: &mut Object) -> Result<()> {
        if self.subjects == Subjects::None {
            return Ok(());
        }
        let mut pen = Pen::default();
        let outcome = match path::lookup_mut(object.body_mut(), &["subjects"])? {
            Some(subjects) if !path::is_null(subjects) => {
                path::expect_kind(subjects, Kind::Sequence).and_then(|()| {
                    let items = subjects.items_mut().into_iter().flatten();
                    items.into_iter().try_for_each(|subject| self.set_subject(subject, &mut pen))
                })
            }
            _ => Ok(()),
        };
        object.settle(pen);
        outcome.map_err(|error| error.wrap("setting namespace on (cluster)role binding subjects"))
    }

    fn set_subject(&self, subject: &mut Node, pen: &mut Pen) -> Result<()> {
        let (field, wanted) = match self.subjects {
            Subjects::ServiceAccounts => ("kind", "ServiceAccount"),
            _ => ("name", "default"),
        };
        let Some(found) = path::lookup(subject, &[field])? else { return Ok(()) };
        path::expect_kind(found, Kind::Scalar)?;
        if path::value_text(found) != wanted {
            return Ok(());
        }
        match path::lookup_create(subject, &["namespace"], Kind::Scalar)? {
            Some(namespace) => self.set(namespace, pen),
            None => Ok(()),
        }
    }
}
