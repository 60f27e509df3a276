//! Objects on their way up: with the field specs and variables that their kustomizations bring.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config;
use super::config::TransformerConfig;
use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::kustomization::Var;
use super::resmap::ResMap;

/// What a kustomization hands to the one that includes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accumulator {
    pub(crate) map: ResMap,
    pub(crate) config: Arc<TransformerConfig>,
    pub(crate) vars: BTreeMap<String, Var>,
}

impl Accumulator {
    /// Takes up configuration.
    pub(crate) fn merge_config(&mut self, other: &Arc<TransformerConfig>) -> Result<()> {
        self.config = config::merged(std::mem::take(&mut self.config), other)?;
        Ok(())
    }

    /// Takes up all of a base.
    pub(crate) fn merge(&mut self, other: Self) -> Result<()> {
        self.map.merge(other.map)?;
        self.merge_config(&other.config)?;
        other.vars.into_values().try_for_each(|var| self.add_var(var))
    }

    /// Takes up variables, and marks the objects from which they take their values.
    pub(crate) fn merge_vars(&mut self, vars: &[Var]) -> Result<()> {
        for var in vars {
            let var = with_defaults(var.clone());
            let target = &var.objref;
            let found = self.map.with_any_id(|id| {
                let namespace = if target.namespace.is_empty() {
                    true
                } else if target.namespace == "default" {
                    id.effective_namespace() == "default"
                } else {
                    id.effective_namespace() == target.namespace
                };
                namespace
                    && *id.name == *target.name
                    && *id.gvk.kind == *target.gvk.kind
                    && id.gvk.group() == target.gvk.group
                    && id.gvk.version() == target.gvk.version
            });
            match found.as_slice() {
                [] => {}
                &[one] => {
                    if let Some(object) = self.map.objects_mut().get_mut(one) {
                        object.variables.push(var.name.clone());
                    }
                }
                several => {
                    let (count, name) = (several.len(), &var.name);
                    let words = format!(
                        "found {count} resId matches for var {name} (unable to disambiguate)"
                    );
                    return Err(BuildError::new(ErrorKind::AmbiguousTarget, words));
                }
            }
        }
        vars.iter().try_for_each(|var| self.add_var(with_defaults(var.clone())))
    }

    fn add_var(&mut self, var: Var) -> Result<()> {
        let name = var.name.clone();
        if self.vars.insert(name.clone(), var).is_some() {
            let words = format!("var '{name}' already encountered");
            return Err(BuildError::new(ErrorKind::InvalidVariable, words)
                .says(format!("variable `{name}` is there twice")));
        }
        Ok(())
    }
}

/// Group and version out of `apiVersion`, and the field that is meant when none is told.
fn with_defaults(mut var: Var) -> Var {
    if var.fieldref.field_path.is_empty() {
        var.fieldref.field_path = "metadata.name".to_owned();
    }
    let target = &mut var.objref;
    let parts: Vec<&str> = target.api_version.split('/').collect();
    match parts.as_slice() {
        [""] => {}
        [version] => target.gvk.version = (*version).to_owned(),
        [group, version] => {
            target.gvk.group = (*group).to_owned();
            target.gvk.version = (*version).to_owned();
        }
        _ => {}
    }
    var
}
