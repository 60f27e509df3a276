//! Names that stand in the metadata of objects: groups, labels, annotations, finalizers, managers.
//!
//! Pure constants, equal to Flux's, so that a cluster can move over and back.

/// The group of Kustomizations.
pub const KUSTOMIZE_GROUP: &str = "kustomize.toolkit.fluxcd.io";
/// The group of sources.
pub const SOURCE_GROUP: &str = "source.toolkit.fluxcd.io";
/// What the groups of all Flux kinds end with.
pub const TOOLKIT_GROUP_SUFFIX: &str = ".toolkit.fluxcd.io";

/// The finalizer on all reconciled custom resources.
pub const FINALIZER: &str = "finalizers.fluxcd.io";

/// Annotation: a change of its opaque value asks for a reconciliation.
pub const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
/// Among the metadata of an artifact: the revision of what it was made from.
pub const ORIGIN_REVISION: &str = "org.opencontainers.image.revision";
/// Label on Secrets and ConfigMaps whose change re-renders the units that read them.
pub const WATCH: &str = "reconcile.fluxcd.io/watch";
/// Label by convention: which replica serves the object.
pub const SHARD: &str = "sharding.fluxcd.io/key";
/// Prefix of annotations that are copied into the metadata of events.
pub const EVENT_METADATA_PREFIX: &str = "event.toolkit.fluxcd.io/";

/// Owner label: the name of the unit.
pub const OWNER_NAME: &str = "kustomize.toolkit.fluxcd.io/name";
/// Owner label: the namespace of the unit.
pub const OWNER_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";

/// Label or annotation `disabled`: neither applied nor pruned.
pub const RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";
/// Label or annotation `Override`, `Merge`, `IfNotPresent`, `Ignore`: how it is applied.
pub const SSA: &str = "kustomize.toolkit.fluxcd.io/ssa";
/// Label or annotation `Enabled`: recreate on an immutable field.
pub const FORCE: &str = "kustomize.toolkit.fluxcd.io/force";
/// Label or annotation `disabled` on the live object: never pruned.
pub const PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";
/// Label or annotation `disabled` (this one is compared exactly): no variables are substituted.
pub const SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";
/// Annotation `disabled`: not decrypted.
pub const DECRYPT: &str = "kustomize.toolkit.fluxcd.io/decrypt";

/// Annotations of earlier releases and of kubectl that an apply removes.
pub const LEGACY_ANNOTATIONS: [&str; 3] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kustomize.toolkit.fluxcd.io/checksum",
    "fluxcd.io/sync-checksum",
];
/// Labels of earlier releases that an apply removes.
pub const LEGACY_LABELS: [&str; 1] = ["fluxcd.io/sync-gc-mark"];

/// The field manager of applied objects.
pub const FIELD_MANAGER: &str = "kustomize-controller";
/// The field owner of a Kustomization's status and finalizers.
pub const STATUS_MANAGER: &str = "gotk-kustomize-controller";
/// The field owner of sources' status and finalizers.
pub const SOURCE_STATUS_MANAGER: &str = "source-controller";

/// The `observedGeneration` of an object that no controller has seen yet.
pub const NEVER_OBSERVED: i64 = -1;
