//! The Flux kinds that verbs take: how users name them, what tables and messages show of them.

use serde_json::Value;

use crate::api::Bucket;
use crate::api::CustomResource;
use crate::api::ExternalArtifact;
use crate::api::GitRepository;
use crate::api::HelmChart;
use crate::api::HelmRepository;
use crate::api::Kind;
use crate::api::Kustomization;
use crate::api::OciRepository;
use crate::cluster::Resource;

/// A kind that verbs take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FluxKind {
    Kustomization,
    HelmRelease,
    GitRepository,
    OciRepository,
    HelmRepository,
    HelmChart,
    Bucket,
    ExternalArtifact,
}

/// All of a kind's names.
struct Names {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    /// What messages of `suspend` and `resume` call it.
    human: &'static str,
}

/// Sources in the order of `get sources all`.
pub(super) const SOURCES: [FluxKind; 6] = [
    FluxKind::OciRepository,
    FluxKind::Bucket,
    FluxKind::GitRepository,
    FluxKind::HelmRepository,
    FluxKind::HelmChart,
    FluxKind::ExternalArtifact,
];

fn names_of<K: Kind>(human: &'static str) -> Names {
    Names { group: K::GROUP, version: K::VERSION, kind: K::KIND, plural: K::PLURAL, human }
}

/// The marker of a custom resource type.
trait Marker {
    type Of: Kind;
}

impl<K: Kind> Marker for CustomResource<K> {
    type Of = K;
}

impl FluxKind {
    fn names(self) -> Names {
        match self {
            Self::Kustomization => names_of::<<Kustomization as Marker>::Of>("kustomization"),
            Self::HelmRelease => Names {
                group: "helm.toolkit.fluxcd.io",
                version: "v2",
                kind: "HelmRelease",
                plural: "helmreleases",
                human: "helmrelease",
            },
            Self::GitRepository => names_of::<<GitRepository as Marker>::Of>("source git"),
            Self::OciRepository => names_of::<<OciRepository as Marker>::Of>("source oci"),
            Self::HelmRepository => names_of::<<HelmRepository as Marker>::Of>("source helm"),
            Self::HelmChart => names_of::<<HelmChart as Marker>::Of>("source chart"),
            Self::Bucket => names_of::<<Bucket as Marker>::Of>("source bucket"),
            Self::ExternalArtifact => {
                names_of::<<ExternalArtifact as Marker>::Of>("source external")
            }
        }
    }

    /// The kind of a `sourceRef`.
    pub(super) fn of_source(kind: &str) -> Option<Self> {
        SOURCES.into_iter().find(|source| source.kind() == kind)
    }

    /// Its kind, as the API writes it.
    pub(super) fn kind(self) -> &'static str {
        self.names().kind
    }

    /// What messages of `suspend` and `resume` call it.
    pub(super) fn human(self) -> &'static str {
        self.names().human
    }

    /// `plural.group`, as the API server names it.
    pub(super) fn plural_group(self) -> String {
        let names = self.names();
        format!("{}.{}", names.plural, names.group)
    }

    /// How to address it.
    pub(super) fn resource(self) -> Resource {
        let names = self.names();
        Resource::known(names.group, names.version, names.kind, names.plural, true)
    }

    /// Whether it has `spec.suspend`.
    pub(super) fn can_be_suspended(self) -> bool {
        self != Self::ExternalArtifact
    }

    /// Whether messages about a failure quote the condition's message: those of kinds with a
    /// source do not.
    pub(super) fn quotes_failure(self) -> bool {
        !matches!(self, Self::Kustomization | Self::HelmRelease | Self::HelmChart)
    }

    /// The revision that its status shows; empty when there is none.
    pub(super) fn revision(self, object: &Value) -> String {
        let status = &object["status"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match self {
            Self::Kustomization => text(&status["lastAppliedRevision"]),
            Self::HelmRelease => {
                let newest = status.pointer("/history/0/chartVersion").map(text);
                newest
                    .filter(|version| !version.is_empty())
                    .unwrap_or_else(|| text(&status["lastAttemptedRevision"]))
            }
            _ if status["artifact"].is_object() => text(&status["artifact"]["revision"]),
            _ => stored(object).unwrap_or_default().to_owned(),
        }
    }

    /// What is printed when a reconciliation went well.
    pub(super) fn success(self, object: &Value) -> String {
        match self {
            Self::Kustomization | Self::HelmRelease => {
                format!("applied revision {}", self.revision(object))
            }
            _ => format!("fetched revision {}", self.revision(object)),
        }
    }

    /// `Kind/namespace/name` of the source that it reads; empty when it names none.
    pub(super) fn source(self, object: &Value) -> String {
        let spec = &object["spec"];
        let reference = match self {
            Self::Kustomization => &spec["sourceRef"],
            Self::HelmRelease if spec["chartRef"].is_object() => &spec["chartRef"],
            Self::HelmRelease => &spec["chart"]["spec"]["sourceRef"],
            Self::ExternalArtifact => &spec["sourceRef"],
            _ => &Value::Null,
        };
        let (Some(kind), Some(name)) = (reference["kind"].as_str(), reference["name"].as_str())
        else {
            return String::new();
        };
        let own = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let namespace = reference["namespace"].as_str().filter(|name| !name.is_empty());
        format!("{kind}/{}/{name}", namespace.unwrap_or(own))
    }
}

/// The revision that the condition `ArtifactInStorage` names: a daemon that serves no artifact
/// files shows none in `status.artifact`, and yet tells what it fetched.
fn stored(object: &Value) -> Option<&str> {
    let conditions = object["status"]["conditions"].as_array()?;
    let stored = conditions.iter().find(|condition| {
        condition["type"] == "ArtifactInStorage" && condition["status"] == "True"
    })?;
    let (_, rest) = stored["message"].as_str()?.split_once('\'')?;
    rest.split_once('\'').map(|(revision, _)| revision)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_source_without_artifact_shows_the_revision_that_is_stored() {
        let stored = json!({"type": "ArtifactInStorage", "status": "True",
            "message": "stored artifact for revision 'main@sha1:6f7e'"});
        let cases = [
            ("served", json!({"artifact": {"revision": "main@sha1:01"}}), "main@sha1:01"),
            ("not served", json!({"conditions": [stored]}), "main@sha1:6f7e"),
            ("not fetched yet", json!({"conditions": []}), ""),
        ];
        for (why, status, want) in cases {
            let object = json!({"status": status});
            assert_eq!(FluxKind::GitRepository.revision(&object), want, "{why}");
        }
    }
}
