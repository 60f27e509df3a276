//! Custom resource types: one kind a file, with their schemas and definitions.
//!
//! In: JSON of a custom resource. Out: its type, and back; nothing we know is lost on the way. The
//! same types give the schemas of `schemas/crds/*.yaml` (`crd.rs`), which equal upstream's in all
//! but descriptions.
//!
//! Pure, no behaviour: defaults that the API server fills in are named in the docs of their field,
//! and what a field *does* is decided in `rules/`. Facts from Flux 2.9 (kustomize-controller and
//! source-controller 1.9.4).
//!
//! Not here: sending (`cluster`), how conditions change (`rules`). Image automation, notification
//! and HelmRelease kinds are still to come, one file each.

mod artifact;
mod bucket;
mod condition;
pub mod crd;
mod duration;
mod external_artifact;
mod git_repository;
mod helm_chart;
mod helm_repository;
mod history;
mod inventory;
pub mod keys;
mod kustomization;
mod meta;
mod oci_repository;
mod reference;
mod resource;
mod schema;
mod time;

pub use artifact::Artifact;
pub use bucket::Bucket;
pub use bucket::BucketProvider;
pub use bucket::BucketSource;
pub use bucket::BucketSpec;
pub use bucket::BucketStatus;
pub use bucket::BucketSts;
pub use bucket::StsProvider;
pub use condition::Condition;
pub use condition::ConditionStatus;
pub use duration::Duration;
pub use duration::ParseDurationError;
pub use external_artifact::ExternalArtifact;
pub use external_artifact::ExternalArtifactSpec;
pub use external_artifact::ExternalArtifactStatus;
pub use external_artifact::ExternalSource;
pub use git_repository::GitProvider;
pub use git_repository::GitRepository;
pub use git_repository::GitRepositoryInclude;
pub use git_repository::GitRepositoryRef;
pub use git_repository::GitRepositorySpec;
pub use git_repository::GitRepositoryStatus;
pub use git_repository::GitSource;
pub use git_repository::GitVerification;
pub use git_repository::GitVerificationMode;
pub use helm_chart::ChartSource;
pub use helm_chart::HelmChart;
pub use helm_chart::HelmChartSourceKind;
pub use helm_chart::HelmChartSourceRef;
pub use helm_chart::HelmChartSpec;
pub use helm_chart::HelmChartStatus;
pub use helm_chart::HelmChartVerification;
pub use helm_chart::ReconcileStrategy;
pub use helm_repository::AccessFrom;
pub use helm_repository::HelmRepository;
pub use helm_repository::HelmRepositorySpec;
pub use helm_repository::HelmRepositoryStatus;
pub use helm_repository::HelmRepositoryType;
pub use helm_repository::HelmSource;
pub use helm_repository::NamespaceSelector;
pub use history::Snapshot;
pub use inventory::Inventory;
pub use inventory::InventoryEntry;
pub use kustomization::BuildMetadata;
pub use kustomization::CommonMetadata;
pub use kustomization::CustomHealthCheck;
pub use kustomization::Decryption;
pub use kustomization::DecryptionProvider;
pub use kustomization::DeletionPolicy;
pub use kustomization::IgnoreRule;
pub use kustomization::Image;
pub use kustomization::Kustomization;
pub use kustomization::KustomizationSpec;
pub use kustomization::KustomizationStatus;
pub use kustomization::Patch;
pub use kustomization::PostBuild;
pub use kustomization::Selector;
pub use kustomization::SubstituteKind;
pub use kustomization::SubstituteReference;
pub use kustomization::SubstituteStrategy;
pub use kustomization::Unit;
pub use meta::Metadata;
pub use meta::OwnerReference;
pub use oci_repository::LayerOperation;
pub use oci_repository::LayerSelector;
pub use oci_repository::OciProvider;
pub use oci_repository::OciRepository;
pub use oci_repository::OciRepositoryRef;
pub use oci_repository::OciRepositorySpec;
pub use oci_repository::OciRepositoryStatus;
pub use oci_repository::OciSource;
pub use oci_repository::OciVerification;
pub use oci_repository::OidcIdentity;
pub use oci_repository::VerificationProvider;
pub use reference::DependencyReference;
pub use reference::KubeConfigReference;
pub use reference::LocalObjectReference;
pub use reference::NamespacedObjectKindReference;
pub use reference::SecretKeyReference;
pub use reference::SourceKind;
pub use reference::SourceReference;
pub use resource::CustomResource;
pub use resource::Kind;
pub use resource::ReadError;
pub use time::Time;
