//! All state of the API server behind one lock: objects, kinds, and what makes names unique.
//!
//! In: calls of the handlers, one at a time. Out: the parts that reads and writes share.
//!
//! Not here: writes (`write.rs`), deletes (`delete.rs`), what follows from them (`settle.rs`).

use std::sync::Arc;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use super::defaults;
use super::kinds::Kind;
use super::kinds::Kinds;
use super::normal;
use super::refusal::Refusal;
use super::store::Name;
use super::store::ResourceId;
use super::store::Store;

/// The state of one API server.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) kinds: Kinds,
    serial: u64,
    salt: u128,
}

/// Which object, or which collection when the name is empty, a request is about.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) kind: Arc<Kind>,
    pub(crate) subresource: String,
    /// Empty for cluster-scoped kinds, and for collections of all namespaces.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Target {
    /// Where the object is stored.
    pub(crate) fn place(&self) -> Name {
        (self.namespace.clone(), self.name.clone())
    }

    /// The refusal that says the object is not there.
    pub(crate) fn missing(&self) -> Refusal {
        Refusal::not_found(&self.kind.id.group, &self.kind.id.resource, &self.name)
    }
}

/// The current time as `metav1.Time` is written.
pub(crate) fn now() -> String {
    let at = jiff::Timestamp::now();
    jiff::Timestamp::from_second(at.as_second())
        .map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// The core group's namespaces.
pub(crate) fn namespaces() -> ResourceId {
    ResourceId { group: String::new(), resource: "namespaces".to_owned() }
}

impl World {
    /// An empty server with the namespaces that every cluster has.
    pub(crate) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let salt = since.as_nanos() ^ u128::from(std::process::id());
        let mut world = Self { store: Store::default(), kinds: Kinds::built_in(), serial: 0, salt };
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name, "uid": world.uid(), "creationTimestamp": now(),
                    "labels": {"kubernetes.io/metadata.name": name}},
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}});
            world.store.put(&namespaces(), &(String::new(), name.to_owned()), namespace);
        }
        world
    }

    /// A number that no other object gets.
    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn random(&mut self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.salt.to_le_bytes());
        hasher.update(self.next_serial().to_le_bytes());
        hasher.finalize().into()
    }

    /// A new uid in the form of a random UUID.
    pub(crate) fn uid(&mut self) -> String {
        let mut bytes = self.random();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        parts.join("-")
    }

    /// The five characters after a `generateName`.
    pub(crate) fn suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let bytes = self.random();
        bytes[..5]
            .iter()
            .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
            .collect()
    }

    /// The object at `target` in the version that was asked for.
    pub(crate) fn live(&self, target: &Target) -> Option<Value> {
        let stored = self.store.get(&target.kind.id, &target.place())?;
        Some(in_version(&target.kind, stored))
    }
}

/// A stored object as one version of its kind shows it.
pub(crate) fn in_version(kind: &Kind, stored: &Value) -> Value {
    let mut object = stored.clone();
    object["apiVersion"] = json!(kind.api_version());
    object
}

/// What an object of a kind looks like before anything is set.
pub(crate) fn empty(kind: &Kind) -> Value {
    let mut object = match kind.custom {
        Some(_) => json!({}),
        None => {
            let nothing = json!({});
            normal::round_trip(&kind.types, kind.ty, &nothing, &mut Vec::new()).unwrap_or(nothing)
        }
    };
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.kind);
    object
}

/// What a write says of unknown fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// They are dropped.
    Ignore,
    /// They are dropped, and the answer warns of them.
    #[default]
    Warn,
    /// The write is refused.
    Strict,
}

/// A decoded object and the warnings that came with it.
pub(crate) struct Decoded {
    pub(crate) object: Value,
    pub(crate) warnings: Vec<String>,
}

/// Reads an object of `kind` as the server does: types checked, unknown fields dropped, defaults
/// filled in.
pub(crate) fn decode(
    kind: &Kind,
    mut given: Value,
    strictness: Strictness,
) -> Result<Decoded, Refusal> {
    let Some(entries) = given.as_object_mut() else {
        return Err(Refusal::bad_request("the object provided is not a JSON object"));
    };
    let wanted = kind.api_version();
    let named =
        |name: &str| entries.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, name) = (named("apiVersion"), named("kind"));
    if !version.is_empty() && version != wanted {
        return Err(Refusal::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version \
             ({wanted})"
        )));
    }
    if !name.is_empty() && name != kind.kind {
        return Err(Refusal::bad_request(format!(
            "{name} in version {:?} cannot be handled as a {}: no kind {name:?} is registered for \
             the resource",
            kind.version, kind.kind
        )));
    }
    entries.insert("apiVersion".to_owned(), json!(wanted));
    entries.insert("kind".to_owned(), json!(kind.kind));
    let mut unknown = Vec::new();
    let object = read(kind, given, &mut unknown).map_err(|wrong| {
        let Kind { version, kind, .. } = kind;
        Refusal::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: {}",
            wrong.message()
        ))
    })?;
    let said: Vec<String> = unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
    match strictness {
        Strictness::Strict if !said.is_empty() => {
            let Kind { version, kind, .. } = kind;
            Err(Refusal::bad_request(format!(
                "{kind} in version {version:?} cannot be handled as a {kind}: strict decoding \
                 error: {}",
                said.join(", ")
            )))
        }
        Strictness::Warn => Ok(Decoded { object, warnings: said }),
        Strictness::Strict | Strictness::Ignore => Ok(Decoded { object, warnings: Vec::new() }),
    }
}

fn read(
    kind: &Kind,
    mut given: Value,
    unknown: &mut Vec<String>,
) -> Result<Value, normal::WrongType> {
    let Some(custom) = &kind.custom else {
        let mut object = normal::round_trip(&kind.types, kind.ty, &given, unknown)?;
        defaults::fill(kind.ty, &place(kind), &mut object);
        return normal::round_trip(&kind.types, kind.ty, &object, &mut Vec::new());
    };
    let metadata = given.get("metadata").cloned().unwrap_or_else(|| json!({}));
    let ty = super::builtin::BUILT_IN.ids["meta.v1.ObjectMeta"];
    let mut inner = Vec::new();
    given["metadata"] = normal::round_trip(&kind.types, ty, &metadata, &mut inner)?;
    unknown.extend(inner.into_iter().map(|path| format!("metadata.{path}")));
    super::crd_schema::prune(&custom.schema, &mut given, unknown);
    super::crd_schema::fill(&custom.schema, &mut given);
    Ok(given)
}

/// How recorded defaults name a kind.
fn place(kind: &Kind) -> String {
    format!("{}/{}", kind.api_version(), kind.kind)
}
