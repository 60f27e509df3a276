//! Flux's layer on the kustomize build: what kustomize-controller 1.9.4 does before and after it.
//!
//! ```text
//! tree ─▶ kustomization, or a generated one ─▶ fields of the spec over it ─▶ build
//!      ─▶ per object: identity check, variables ─▶ objects, text for the digest
//! ```
//!
//! Pure. Values of variables never stand in errors or `Debug`; fields that a secret value reached
//! are reported, so that callers show digests in their place.
//! Not here: SOPS decryption, reading ConfigMaps and Secrets, owner labels, common metadata.

mod error;
mod evaluate;
mod fields;
mod functions;
mod generate;
mod glob;
mod layers;
mod origins;
mod overlay;
mod substitute;
mod template;
#[cfg(test)]
mod tests;
mod unit;
mod variables;

pub use error::FluxBuildError;
pub use error::SubstituteError;
pub use origins::SPEC_FILE;
pub use origins::UnitFieldOrigin;
pub use substitute::Substituted;
pub use substitute::is_disabled;
pub use substitute::substitute;
pub use substitute::substitute_text;
pub use unit::SUBSTITUTION;
pub use unit::UnitBuilt;
pub use unit::UnitObject;
pub use unit::UnitOutcome;
pub use unit::build_unit;
pub use variables::Variables;

/// The fields of a unit's spec that shape its objects.
#[derive(Clone, Debug, Default)]
pub struct UnitBuild {
    /// `targetNamespace`: replaces the file's namespace.
    pub target_namespace: Option<String>,
    /// `namePrefix`: replaces the file's prefix.
    pub name_prefix: Option<String>,
    /// `nameSuffix`: replaces the file's suffix.
    pub name_suffix: Option<String>,
    /// `patches`, after those of the file.
    pub patches: Vec<UnitPatch>,
    /// `images`, merged by name with those of the file.
    pub images: Vec<UnitImage>,
    /// `components`, after those of the file.
    pub components: Vec<String>,
    /// `ignoreMissingComponents`: leave out components that are not there.
    pub ignore_missing_components: bool,
    /// `buildMetadata`: replaces the file's when not empty.
    pub build_metadata: Vec<String>,
    /// The variables of `postBuild`; `None` without `postBuild`.
    pub substitute: Option<Variables>,
    /// A variable without value and default is an error.
    pub strict: bool,
    /// `postBuild.substituteStrategy: Always`: fill in even when there are no variables.
    pub always: bool,
}

/// A patch of a unit's spec.
#[derive(Clone, Debug, Default)]
pub struct UnitPatch {
    /// A strategic merge patch or a JSON 6902 list, as text.
    pub patch: String,
    /// What it applies to; `None` lets the patch name its object.
    pub target: Option<UnitPatchTarget>,
}

/// What a patch applies to. Empty fields match anything.
#[derive(Clone, Debug, Default)]
pub struct UnitPatchTarget {
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Name, an anchored regular expression.
    pub name: String,
    /// Namespace, an anchored regular expression.
    pub namespace: String,
    /// Selector over annotations.
    pub annotation_selector: String,
    /// Selector over labels.
    pub label_selector: String,
}

/// An image of a unit's spec. Empty fields change nothing.
#[derive(Clone, Debug, Default)]
pub struct UnitImage {
    /// The image as written in manifests, without tag.
    pub name: String,
    /// The name to put instead.
    pub new_name: String,
    /// The tag to put instead.
    pub new_tag: String,
    /// The digest to put instead.
    pub digest: String,
}

impl UnitBuild {
    /// The variables, when there is anything to fill in.
    fn variables_to_fill(&self) -> Option<&Variables> {
        self.substitute.as_ref().filter(|variables| self.always || !variables.is_empty())
    }
}
