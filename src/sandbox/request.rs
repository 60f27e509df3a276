//! Requests: paths, query parameters and bodies of the Kubernetes API, read once.
//!
//! In: method, path, query, headers, body. Out: which part of the API is meant, and its parameters.
//!
//! Pure. Absent: CBOR bodies (415; clients fall back to JSON), the old `/watch/` paths.
//! Not here: protobuf (`protobuf.rs`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::refusal::Refusal;
use super::world::Strictness;
use super::write::PatchKind;
use super::write::WriteOptions;

/// Which part of the API a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/version`
    Version,
    /// `/healthz`, `/livez`, `/readyz`
    Health,
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/{group}`
    Group(String),
    /// `/api/v1`, `/apis/{group}/{version}`
    Resources(String, String),
    /// `/openapi/v2`
    OpenApi2,
    /// `/openapi/v3`
    OpenApi3,
    /// `/openapi/v3/{path}`
    OpenApi3Group(String),
    /// Objects.
    Object(ObjectRoute),
    /// Anything else.
    Unknown,
}

/// A path that names objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObjectRoute {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) subresource: String,
}

/// Reads a path.
pub(crate) fn route(path: &str) -> Route {
    // In a path a plus is a plus.
    let path = unescape(&path.replace('+', "%2B"));
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let own = |text: &str| text.to_owned();
    match parts.as_slice() {
        ["version"] => Route::Version,
        ["healthz" | "livez" | "readyz", ..] => Route::Health,
        ["api"] => Route::CoreVersions,
        ["apis"] => Route::Groups,
        ["apis", group] => Route::Group(own(group)),
        ["api", version] => Route::Resources(String::new(), own(version)),
        ["apis", group, version] => Route::Resources(own(group), own(version)),
        ["openapi", "v2"] => Route::OpenApi2,
        ["openapi", "v3"] => Route::OpenApi3,
        ["openapi", "v3", rest @ ..] => Route::OpenApi3Group(rest.join("/")),
        ["api", version, rest @ ..] => objects("", version, rest),
        ["apis", group, version, rest @ ..] => objects(group, version, rest),
        _ => Route::Unknown,
    }
}

fn objects(group: &str, version: &str, rest: &[&str]) -> Route {
    let mut route = ObjectRoute {
        group: group.to_owned(),
        version: version.to_owned(),
        ..ObjectRoute::default()
    };
    let rest = match rest {
        ["namespaces", _, "status" | "finalize"] => rest,
        ["namespaces", namespace, inner @ ..] if !inner.is_empty() => {
            route.namespace = (*namespace).to_owned();
            inner
        }
        _ => rest,
    };
    let text = |at: usize| rest.get(at).copied().unwrap_or_default().to_owned();
    route.resource = text(0);
    route.name = text(1);
    route.subresource = rest.get(2..).unwrap_or_default().join("/");
    Route::Object(route)
}

/// Query parameters, decoded; of several with one name the first counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads the part after `?`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut found = BTreeMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            found.entry(unescape(name)).or_insert_with(|| unescape(value));
        }
        Self(found)
    }

    /// A parameter; empty when it is missing.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether a parameter is set to something true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        match self.0.get(name).map(String::as_str) {
            None | Some("false" | "0") => false,
            Some(_) => true,
        }
    }

    /// How a write is to be done; `agent` names the manager when no parameter does.
    pub(crate) fn write_options(&self, agent: &str) -> Result<WriteOptions, Refusal> {
        let dry_run = match self.get("dryRun") {
            "" => false,
            "All" => true,
            other => {
                return Err(Refusal::bad_request(format!(
                    "dryRun: Unsupported value: {other:?}: supported values: \"All\""
                )));
            }
        };
        let strictness = match self.get("fieldValidation") {
            "Ignore" => Strictness::Ignore,
            "Strict" => Strictness::Strict,
            _ => Strictness::Warn,
        };
        let agent = agent.split('/').next().unwrap_or_default();
        let manager = match self.get("fieldManager") {
            "" if agent.is_empty() => "unknown",
            "" => agent,
            named => named,
        };
        let force = self.flag("force");
        Ok(WriteOptions { manager: manager.to_owned(), dry_run, force, strictness })
    }
}

/// Decodes `%xx` and `+`.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
                if let (Some(high), Some(low)) = (digit(), digit()) {
                    out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                }
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The kind of patch that a content type names.
pub(crate) fn patch_kind(content_type: &str) -> Result<PatchKind, Refusal> {
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/json-patch+json" => Ok(PatchKind::Json),
        "application/merge-patch+json" => Ok(PatchKind::Merge),
        "application/strategic-merge-patch+json" => Ok(PatchKind::Strategic),
        "application/apply-patch+yaml" => Ok(PatchKind::Apply),
        other => Err(Refusal::unsupported_media(format!(
            "the body of the request was in an unknown format ({other}) - accepted media types \
             include: application/json-patch+json, application/merge-patch+json, \
             application/strategic-merge-patch+json, application/apply-patch+yaml"
        ))),
    }
}

/// Reads a body of JSON or YAML.
pub(crate) fn body(content_type: &str, bytes: &[u8]) -> Result<Value, Refusal> {
    if content_type.contains("protobuf") || content_type.contains("cbor") {
        return Err(Refusal::unsupported_media(
            "the body of the request was in an unknown format - accepted media types include: \
             application/json, application/yaml",
        ));
    }
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(error) if content_type.contains("yaml") => serde_yaml::from_slice(bytes)
            .map_err(|_| Refusal::bad_request(format!("error decoding YAML: {error}"))),
        Err(error) => Err(Refusal::bad_request(format!("error decoding JSON: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(path: &str) -> [String; 6] {
        match route(path) {
            Route::Object(o) => {
                [o.group, o.version, o.resource, o.namespace, o.name, o.subresource]
            }
            other => panic!("{path} is {other:?}"),
        }
    }

    #[test]
    fn paths_name_objects() {
        #[rustfmt::skip]
        let cases = [
            ("/api/v1/pods",                          ["", "v1", "pods", "", "", ""]),
            ("/api/v1/namespaces",                    ["", "v1", "namespaces", "", "", ""]),
            ("/api/v1/namespaces/a",                  ["", "v1", "namespaces", "", "a", ""]),
            ("/api/v1/namespaces/a/finalize",         ["", "v1", "namespaces", "", "a", "finalize"]),
            ("/api/v1/namespaces/a/pods",             ["", "v1", "pods", "a", "", ""]),
            ("/api/v1/namespaces/a/pods/b/status",    ["", "v1", "pods", "a", "b", "status"]),
            ("/apis/apps/v1/namespaces/a/deployments/b", ["apps", "v1", "deployments", "a", "b", ""]),
            ("/apis/g/v1/things/t",                   ["g", "v1", "things", "", "t", ""]),
            ("/apis/g/v1/things/my%20t:%2A+",         ["g", "v1", "things", "", "my t:*+", ""]),
        ];
        for (path, want) in cases {
            assert_eq!(object(path), want.map(str::to_owned), "{path}");
        }
        assert_eq!(route("/apis/apps/v1"), Route::Resources("apps".into(), "v1".into()));
        assert_eq!(route("/nonsense"), Route::Unknown);
    }

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("labelSelector=a%3Db%2Cc&watch=1&x=a+b&force=false");
        assert_eq!(query.get("labelSelector"), "a=b,c");
        assert_eq!(query.get("x"), "a b");
        assert!(query.flag("watch"));
        assert!(!query.flag("force"));
        let options = query.write_options("kubectl/v1.30 (linux)").expect("valid");
        assert_eq!(options.manager, "kubectl");
    }
}
