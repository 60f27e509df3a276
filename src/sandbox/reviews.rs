//! Requests that store nothing: who am I, may I, is this token good, give me a token; and scale.
//!
//! In: a review. Out: the same with its status. The sandbox lets everybody do everything: a token
//! is good unless it is empty, and every access is allowed.
//!
//! Facts: `authentication.k8s.io/v1`, `authorization.k8s.io/v1`, `autoscaling/v1`.

use serde_json::Value;
use serde_json::json;

use super::refusal::Refusal;
use super::world::Target;
use super::world::World;
use super::write::WriteOptions;
use super::write::Written;

/// The name of everybody.
const USER: &str = "sandbox";

/// Whether objects of this kind are answered and not stored.
pub(crate) fn is_review(group: &str) -> bool {
    matches!(group, "authentication.k8s.io" | "authorization.k8s.io")
}

/// Answers a review.
pub(crate) fn answer(kind: &str, mut review: Value) -> Value {
    let user = json!({"username": USER, "groups": ["system:masters", "system:authenticated"]});
    review["status"] = match kind {
        "TokenReview" => token_status(&review),
        "SelfSubjectReview" => json!({ "userInfo": user }),
        "SelfSubjectRulesReview" => json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": false,
        }),
        _ => json!({"allowed": true, "reason": "the sandbox allows everything"}),
    };
    if review["metadata"].is_null() {
        review["metadata"] = json!({});
    }
    review
}

/// Tokens of [`issue`] name their account and audiences; any other is the sandbox's user.
fn token_status(review: &Value) -> Value {
    let token = review["spec"]["token"].as_str().unwrap_or_default();
    let asked = review["spec"]["audiences"].as_array().cloned().unwrap_or_default();
    if token.is_empty() {
        return json!({"user": {}, "error": "token is empty"});
    }
    let Some(rest) = token.strip_prefix("sandbox:") else {
        let user = json!({"username": USER, "groups": ["system:authenticated"]});
        return json!({"authenticated": true, "user": user, "audiences": asked});
    };
    let parts: Vec<&str> = rest.splitn(3, ':').collect();
    let [namespace, name, audiences] = parts.as_slice() else {
        return json!({"user": {}, "error": "token is malformed"});
    };
    let own: Vec<Value> = audiences.split(',').map(Value::from).collect();
    let shared: Vec<Value> = asked.into_iter().filter(|one| own.contains(one)).collect();
    if shared.is_empty() && review["spec"]["audiences"].is_array() {
        return json!({"user": {}, "error": "token audiences do not match"});
    }
    json!({"authenticated": true, "audiences": shared,
        "user": {"username": format!("system:serviceaccount:{namespace}:{name}"),
            "groups": ["system:serviceaccounts", format!("system:serviceaccounts:{namespace}"),
                "system:authenticated"]}})
}

/// Answers a TokenRequest for a ServiceAccount.
pub(crate) fn issue(target: &Target, mut request: Value) -> Value {
    let audiences: Vec<String> = request["spec"]["audiences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let seconds = request["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
    let expires = jiff::Timestamp::now().as_second().saturating_add(seconds);
    let expires = jiff::Timestamp::from_second(expires).unwrap_or_default().to_string();
    let token = format!("sandbox:{}:{}:{}", target.namespace, target.name, audiences.join(","));
    request["apiVersion"] = json!("authentication.k8s.io/v1");
    request["kind"] = json!("TokenRequest");
    request["spec"]["expirationSeconds"] = json!(seconds);
    request["status"] = json!({"token": token, "expirationTimestamp": expires});
    request
}

/// Where an object keeps its replicas.
struct ScalePaths {
    wanted: String,
    status: String,
    selector: String,
}

fn paths(target: &Target) -> ScalePaths {
    let scale = target.kind.custom.as_ref().and_then(|custom| custom.scale.clone());
    let scale = scale.unwrap_or_default();
    let path = |name: &str, usual: &str| match scale[name].as_str() {
        Some(path) => path.replace('.', "/"),
        None => usual.to_owned(),
    };
    ScalePaths {
        wanted: path("specReplicasPath", "/spec/replicas"),
        status: path("statusReplicasPath", "/status/replicas"),
        selector: path("labelSelectorPath", ""),
    }
}

impl World {
    /// The scale of an object.
    pub(crate) fn scale(&self, target: &Target) -> Result<Value, Refusal> {
        let live = self.live(target).ok_or_else(|| target.missing())?;
        let paths = paths(target);
        let number = |path: &str| live.pointer(path).and_then(Value::as_i64).unwrap_or(0);
        let selector = match live.pointer("/spec/selector/matchLabels").and_then(Value::as_object) {
            Some(labels) => {
                let pairs = labels.iter().filter_map(|(key, value)| Some((key, value.as_str()?)));
                pairs.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
            }
            None => live.pointer(&paths.selector).and_then(Value::as_str).unwrap_or("").to_owned(),
        };
        let metadata = &live["metadata"];
        let mut scale = json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"]},
            "spec": {}, "status": {"replicas": number(&paths.status)}});
        if number(&paths.wanted) != 0 {
            scale["spec"]["replicas"] = json!(number(&paths.wanted));
        }
        if !selector.is_empty() {
            scale["status"]["selector"] = json!(selector);
        }
        Ok(scale)
    }

    /// Writes an object's replicas through its scale.
    pub(crate) fn rescale(
        &mut self,
        target: &Target,
        scale: &Value,
        options: &WriteOptions,
    ) -> Result<Written, Refusal> {
        let mut object = self.live(target).ok_or_else(|| target.missing())?;
        let wanted = json!(scale["spec"]["replicas"].as_i64().unwrap_or(0));
        let path = paths(target).wanted;
        match object.pointer_mut(&path) {
            Some(slot) => *slot = wanted,
            None => {
                let (parent, last) = path.rsplit_once('/').unwrap_or(("", "replicas"));
                let parent = object.pointer_mut(parent).ok_or_else(Refusal::no_route)?;
                parent[last] = wanted;
            }
        }
        if let Some(version) = scale["metadata"]["resourceVersion"].as_str() {
            object["metadata"]["resourceVersion"] = json!(version);
        }
        let written = self.update(target, object, options)?;
        Ok(Written { object: self.scale(target)?, ..written })
    }
}
