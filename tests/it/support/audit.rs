//! The API server's audit log: who asked what, how often, and with which answer.
//!
//! One request is several lines: received, opened (watches) and answered. They are folded into one
//! [`Request`] by audit id, so that a count is a count of requests and not of lines. The line of an
//! answer may be written *after* the client has the answer, so read with [`AuditLog::settled`].

use crate::support::cluster::Cluster;
use crate::support::wait;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// One request, as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `get list watch create update patch delete deletecollection`.
    pub(crate) verb: String,
    /// The whole path and query.
    pub(crate) uri: String,
    /// What the client called itself.
    pub(crate) user_agent: String,
    /// The user that the token belongs to.
    pub(crate) user: String,
    /// The user whose rights were used, when the client asked for another's.
    pub(crate) impersonated: Option<String>,
    /// `configmaps`, `deployments.apps`, `kustomizations.kustomize.toolkit.fluxcd.io/status`; the
    /// path when it is no resource.
    pub(crate) resource: String,
    /// Empty for what lives outside namespaces, and for lists over all of them.
    pub(crate) namespace: String,
    /// Empty for lists, and for creations.
    pub(crate) name: String,
    /// The HTTP status; nothing while the request is under way, or for ever when the server died.
    pub(crate) code: Option<u16>,
    /// When it arrived: RFC 3339 with microseconds, so text order is time order.
    pub(crate) received: String,
}

impl Request {
    /// True when a successful answer may have changed something.
    pub(crate) fn is_write(&self) -> bool {
        let writes = ["create", "update", "patch", "delete", "deletecollection"];
        writes.contains(&self.verb.as_str()) && !self.uri.contains("dryRun=All")
    }
}

/// The log file of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct AuditLog {
    file: PathBuf,
}

impl AuditLog {
    /// The log at this path.
    pub(crate) fn at(file: impl AsRef<Path>) -> Self {
        Self { file: file.as_ref().to_owned() }
    }

    /// Every request that was received before this call, with its answer, in order of arrival.
    ///
    /// Needs a running API server: it asks for the version under a name of its own, and then waits
    /// until the log shows that question and an answer for all before it. Watches need none.
    pub(crate) async fn settled(&self, cluster: &Cluster) -> Vec<Request> {
        static MARKS: AtomicUsize = AtomicUsize::new(0);
        let number = MARKS.fetch_add(1, Ordering::Relaxed);
        let mark = format!("hence-tests-mark/{}-{number}", std::process::id());
        let client = cluster.client_as("admin", &mark).await;
        client.apiserver_version().await.expect("a running API server tells its version");
        let seen = &mark;
        wait::until("the audit log to hold every answer", || async move {
            let requests = self.requests();
            let last = requests.iter().position(|request| request.user_agent == *seen)?;
            let before = &requests[..=last];
            let all = before.iter().all(|r| r.code.is_some() || r.verb == "watch");
            all.then(|| before[..last].to_vec())
        })
        .await
    }

    /// The requests in the log right now, marks of the harness included.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        fold(&text)
    }
}

/// Counts requests as `verb resource`, the shape in which a test writes down what it expects.
pub(crate) fn count<'a>(
    requests: impl IntoIterator<Item = &'a Request>,
) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        *counts.entry(format!("{} {}", request.verb, request.resource)).or_default() += 1;
    }
    counts
}

/// Folds log lines into requests. A last line without its end is still being written.
fn fold(text: &str) -> Vec<Request> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut requests: Vec<Request> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for line in whole.lines() {
        let event: Event = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("audit log line {line:?}: {error}"));
        let ended = matches!(event.stage.as_str(), "ResponseComplete" | "Panic");
        let code = event.response_status.as_ref().filter(|_| ended).and_then(|status| status.code);
        let place = *places.entry(event.audit_id.clone()).or_insert(requests.len());
        match requests.get_mut(place) {
            Some(request) => {
                request.code = request.code.or(code);
                // Whose rights were used is decided after the first line was written.
                let user = event.impersonated_user.map(|user| user.username);
                request.impersonated = request.impersonated.take().or(user);
                // The name of a created object is known only when it was created.
                let object = event.object_ref.unwrap_or_default();
                if request.name.is_empty() {
                    request.name = object.name;
                }
            }
            None => requests.push(event.into_request(code)),
        }
    }
    requests
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    impersonated_user: Option<User>,
    #[serde(default)]
    user_agent: String,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
    request_received_timestamp: String,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    resource: String,
    namespace: String,
    name: String,
    api_group: String,
    subresource: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    code: Option<u16>,
}

impl Event {
    fn into_request(self, code: Option<u16>) -> Request {
        let path = self.request_uri.split('?').next().unwrap_or_default();
        let resource =
            self.object_ref.as_ref().map_or_else(|| path.to_owned(), ObjectRef::resource);
        let object = self.object_ref.unwrap_or_default();
        Request {
            verb: self.verb,
            user_agent: self.user_agent,
            user: self.user.username,
            impersonated: self.impersonated_user.map(|user| user.username),
            resource,
            namespace: object.namespace,
            name: object.name,
            code,
            received: self.request_received_timestamp,
            uri: self.request_uri,
        }
    }
}

impl ObjectRef {
    fn resource(&self) -> String {
        let mut text = self.resource.clone();
        for (mark, part) in [('.', &self.api_group), ('/', &self.subresource)] {
            if !part.is_empty() {
                text.push(mark);
                text.push_str(part);
            }
        }
        text
    }
}

#[test]
fn the_lines_of_one_request_are_one_request() {
    let line = |id: &str, stage: &str, verb: &str, more: &str| {
        format!(
            r#"{{"auditID":"{id}","stage":"{stage}","requestURI":"/api/v1/pods","verb":"{verb}",
"user":{{"username":"a"}},"objectRef":{{"resource":"pods"}}{more},
"requestReceivedTimestamp":"t"}}"#
        )
        .replace('\n', "")
            + "\n"
    };
    let done = r#","responseStatus":{"code":200},"impersonatedUser":{"username":"b"}"#;
    let log = [
        line("1", "RequestReceived", "list", ""),
        line("2", "RequestReceived", "watch", ""),
        line("2", "ResponseStarted", "watch", done),
        line("1", "ResponseComplete", "list", done),
        "{half a line".to_owned(),
    ];
    let requests = fold(&log.concat());
    let codes: Vec<_> = requests.iter().map(|r| (r.verb.as_str(), r.code)).collect();
    assert_eq!(codes, [("list", Some(200)), ("watch", None)]);
    assert_eq!(count(&requests)["list pods"], 1);
    assert_eq!(requests[0].impersonated.as_deref(), Some("b"), "only later lines say so");
}
