//! HTTP: one handler that takes every request to the API server apart and answers it.
//!
//! In: requests on a loopback listener. Out: JSON, streams of watch events, or a `Status`.
//!
//! Limits: bodies up to [`BODY_BYTES_MAX`]. Answers are JSON, always. Absent: TLS,
//! authentication, compression, HTTP/2. Not here: what the verbs do (`rest.rs`).

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header::ACCEPT;
use axum::http::header::CONTENT_TYPE;
use axum::http::header::HOST;
use axum::http::header::USER_AGENT;
use axum::http::header::WARNING;
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;
use serde_json::json;

use super::builtin::BUILT_IN;
use super::discovery;
use super::openapi;
use super::patch;
use super::protobuf;
use super::refusal::Refusal;
use super::request;
use super::request::ObjectRoute;
use super::request::Query;
use super::request::Route;
use super::rest::Answer;
use super::rest::Form;
use super::rest::Server;
use super::rest::Shared;
use super::rest::selector;
use super::reviews;
use super::schema::TypeId;
use super::watch_stream as watch;
use super::watch_stream::WatchOptions;
use super::world::Target;
use super::write::PatchKind;

/// Largest body: the real server's limit.
const BODY_BYTES_MAX: usize = 3 << 20;

/// What the sandbox says its version is: that of the recorded kinds.
const VERSION: &str = "v1.37.2";

/// The API server as an axum application.
pub(crate) fn router(server: Shared) -> Router {
    Router::new().fallback(handle).with_state(server)
}

async fn handle(State(server): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return refuse(&Refusal::bad_request("the body is too large"));
    };
    let call = Call {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body,
    };
    match call.answer(&server) {
        Ok(response) => response,
        Err(refusal) => refuse(&refusal),
    }
}

fn refuse(refusal: &Refusal) -> Response {
    json_response(refusal.code, &refusal.to_json(), &[])
}

fn json_response(code: u16, body: &Value, warnings: &[String]) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for warning in warnings {
        if let Ok(value) = HeaderValue::from_str(&format!("299 - {warning:?}")) {
            headers.append(WARNING, value);
        }
    }
    response
}

struct Call {
    method: Method,
    path: String,
    query: Query,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    fn header(&self, name: axum::http::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn answer(&self, server: &Shared) -> Result<Response, Refusal> {
        let plain = |body: Option<Value>| match body {
            Some(body) => Ok(json_response(200, &body, &[])),
            None => Err(Refusal::no_route()),
        };
        let aggregated = discovery::is_aggregated(self.header(ACCEPT));
        let world = || server.world();
        match request::route(&self.path) {
            Route::Version => plain(Some(version())),
            Route::Health => Ok(Response::new(Body::from("ok"))),
            Route::CoreVersions if aggregated => Ok(aggregated_response(server, true)),
            Route::Groups if aggregated => Ok(aggregated_response(server, false)),
            Route::CoreVersions => plain(Some(discovery::core_versions(self.header(HOST)))),
            Route::Groups => plain(Some(discovery::groups(&world().kinds))),
            Route::Group(name) => plain(discovery::group(&world().kinds, &name)),
            Route::Resources(group, version) => {
                plain(discovery::resources(&world().kinds, &group, &version))
            }
            Route::OpenApi2 => plain(Some(openapi::version_two(&world().kinds, VERSION))),
            Route::OpenApi3 => plain(Some(openapi::index(&world().kinds))),
            Route::OpenApi3Group(path) => {
                plain(openapi::version_three(&world().kinds, &path, VERSION))
            }
            Route::Object(route) => self.object(server, &route),
            Route::Unknown => Err(Refusal::no_route()),
        }
    }

    fn object(&self, server: &Shared, route: &ObjectRoute) -> Result<Response, Refusal> {
        let kind = server.world().kinds.find(&route.group, &route.version, &route.resource);
        let Some(kind) = kind else {
            let groups = server.world().kinds.groups();
            let known = groups.get(&route.group).is_some_and(|all| all.contains(&route.version));
            return if known { Err(Refusal::no_route()) } else { Ok(no_group()) };
        };
        let wrong_scope = kind.namespaced == route.namespace.is_empty() && !route.name.is_empty();
        let known = route.subresource.is_empty()
            || kind.subresources.contains_key(&route.subresource)
            || route.resource == "namespaces" && route.subresource == "finalize";
        if wrong_scope || !known || !kind.namespaced && !route.namespace.is_empty() {
            return Err(Refusal::no_route());
        }
        let target = Target {
            kind,
            subresource: route.subresource.clone(),
            namespace: route.namespace.clone(),
            name: route.name.clone(),
        };
        if self.method == Method::GET && self.query.flag("watch") {
            return self.watch(server, target);
        }
        let answer = self.verb(server, &target)?;
        Ok(json_response(answer.code, &answer.body, &answer.warnings))
    }

    fn read_body(&self, server: &Server) -> Result<Value, Refusal> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        if self.header(CONTENT_TYPE).contains("protobuf") {
            let world = server.world();
            let type_of = |version: &str, kind: &str| {
                let named = world.kinds.named(version, kind).filter(|kind| kind.custom.is_none());
                named.map(|kind| kind.ty).or_else(|| by_name(version, kind))
            };
            let read = protobuf::decode(&self.body, type_of);
            return read.ok_or_else(|| Refusal::bad_request("the protobuf body is malformed"));
        }
        request::body(self.header(CONTENT_TYPE), &self.body)
    }

    fn read_object(&self, server: &Server) -> Result<Value, Refusal> {
        let body = self.read_body(server)?;
        if body.is_object() {
            return Ok(body);
        }
        Err(Refusal::bad_request("the object provided is not a JSON object"))
    }

    fn verb(&self, server: &Server, target: &Target) -> Result<Answer, Refusal> {
        let form = Form::parse(self.header(ACCEPT), &self.query);
        let agent = self.header(USER_AGENT);
        let named = !target.name.is_empty();
        if target.subresource == "scale" {
            return self.scale(server, target, agent);
        }
        match (&self.method, named) {
            (&Method::GET, true) => server.get(target, form),
            (&Method::GET, false) => {
                if !target.kind.verbs.iter().any(|verb| verb == "list") {
                    return Err(Refusal::method_not_allowed());
                }
                server.list(target, &self.query, form)
            }
            (&Method::POST, true) if target.subresource == "token" => {
                let body = self.read_object(server)?;
                server.world().live(target).ok_or_else(|| target.missing())?;
                let body = reviews::issue(target, body);
                Ok(Answer { code: 201, body, warnings: Vec::new() })
            }
            (&Method::POST, true) if target.subresource == "eviction" => {
                let options = self.read_body(server)?["deleteOptions"].clone();
                server.delete(target, &self.query, &options, form)?;
                let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
                    "status": "Success", "code": 201});
                Ok(Answer { code: 201, body, warnings: Vec::new() })
            }
            (&Method::POST, false) if reviews::is_review(&target.kind.id.group) => {
                let body = reviews::answer(&target.kind.kind, self.read_object(server)?);
                Ok(Answer { code: 201, body, warnings: Vec::new() })
            }
            (&Method::POST, false) => {
                server.create(target, &self.query, agent, self.read_body(server)?, form)
            }
            (&Method::PUT, true) => {
                server.update(target, &self.query, agent, self.read_body(server)?, form)
            }
            (&Method::PATCH, true) => {
                let kind = request::patch_kind(self.header(CONTENT_TYPE))?;
                let body = self.read_body(server)?;
                server.patch(target, &self.query, agent, kind, &body, form)
            }
            (&Method::DELETE, true) => {
                server.delete(target, &self.query, &self.read_body(server)?, form)
            }
            (&Method::DELETE, false) => {
                server.delete_collection(target, &self.query, &self.read_body(server)?)
            }
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn scale(&self, server: &Server, target: &Target, agent: &str) -> Result<Answer, Refusal> {
        let options = self.query.write_options(agent)?;
        let mut scale = server.world().scale(target)?;
        match self.method {
            Method::GET => return Ok(Answer::ok(scale)),
            Method::PUT => scale = self.read_body(server)?,
            Method::PATCH => {
                let body = self.read_body(server)?;
                match request::patch_kind(self.header(CONTENT_TYPE))? {
                    PatchKind::Json => {
                        patch::apply(&mut scale, &body).map_err(Refusal::bad_request)?;
                    }
                    PatchKind::Merge | PatchKind::Strategic | PatchKind::Apply => {
                        patch::merge(&mut scale, &body);
                    }
                }
            }
            _ => return Err(Refusal::method_not_allowed()),
        }
        let written = server.change(|world| world.rescale(target, &scale, &options))?;
        Ok(Answer::ok(written.object))
    }

    fn watch(&self, server: &Shared, mut target: Target) -> Result<Response, Refusal> {
        let mut selector = selector(&target.kind, &self.query)?;
        if !target.name.is_empty() {
            selector.only_name(&target.name);
            target.name = String::new();
        }
        let version = self.query.get("resourceVersion");
        let initial_events = self.query.flag("sendInitialEvents");
        let after = match version {
            "" | "0" => None,
            text => {
                let wanted: u64 = text.parse().map_err(|_| {
                    Refusal::bad_request(format!("Invalid value: {text:?}: not a version"))
                })?;
                Some(wanted)
            }
        };
        // A version of a server that ran before this one: its history is gone with it.
        let newest = server.world().store.revision();
        if after.is_some_and(|after| after > newest) {
            return Err(Refusal::expired(format!("too old resource version: {version}")));
        }
        let options = WatchOptions {
            selector,
            form: Form::parse(self.header(ACCEPT), &self.query),
            after,
            bookmarks: self.query.flag("allowWatchBookmarks"),
            initial_events,
            timeout_seconds: self.query.get("timeoutSeconds").parse().ok(),
        };
        let stream = watch::stream(Arc::clone(server), target, options);
        let mut response = Response::new(Body::from_stream(stream));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        Ok(response)
    }
}

/// Types of bodies that are no kinds of their own: options of deletes, tokens, scales.
fn by_name(api_version: &str, kind: &str) -> Option<TypeId> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("core", api_version));
    let group = group.split('.').next().unwrap_or(group);
    let names = [format!("{group}.{version}.{kind}"), format!("meta.v1.{kind}")];
    names.iter().find_map(|name| BUILT_IN.ids.get(name)).copied()
}

/// A path of a group or version that is not served does not even get a `Status`.
fn no_group() -> Response {
    let mut response = Response::new(Body::from("404 page not found\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn aggregated_response(server: &Server, core: bool) -> Response {
    let body = discovery::aggregated(&server.world().kinds, core);
    let mut response = json_response(200, &body, &[]);
    let form = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(form));
    response
}

fn version() -> Value {
    let mut parts = VERSION.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("0"));
    json!({"major": major, "minor": minor, "gitVersion": VERSION, "gitCommit": "sandbox",
        "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none",
        "compiler": "rustc", "platform": "linux/amd64"})
}
