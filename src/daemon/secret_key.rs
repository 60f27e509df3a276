//! The key under which secret values are digested: made once, and kept where only hence reads it.
//!
//! In a cluster it stands in a Secret, so that digests stay comparable when the volume is lost;
//! elsewhere in a file of mode 0600 in the state directory.

use std::fs;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use serde_json::json;

use crate::cluster::Cluster;
use crate::cluster::ClusterError;
use crate::cluster::Purpose;
use crate::cluster::Resource;
use crate::cluster::write::WriteGate;
use crate::daemon::DaemonError;
use crate::model::DigestKey;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// The Secret's entry that holds it.
const ENTRY: &str = "key";

/// Reads the key from the Secret `name`; makes the Secret when there is none.
///
/// # Errors
/// The API server refuses, or the Secret holds no key.
pub(super) async fn of_cluster(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    gate: &WriteGate,
) -> Result<DigestKey, DaemonError> {
    let secrets = Resource::known("", "v1", "Secret", "secrets", true);
    if let Some(found) = cluster.get(&secrets, namespace, name).await? {
        return read(&found.raw, name);
    }
    let io = |source| DaemonError::Io { what: "cannot make a digest key".to_owned(), source };
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true,
        "metadata": {"name": name, "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "hence"}},
        "data": {ENTRY: STANDARD.encode(random().map_err(io)?)},
    });
    let writer = cluster.writer(Purpose::Upkeep("digest key"), gate.clone());
    match writer.create(&secrets, namespace, &object).await {
        Ok(made) => read(&made.raw, name),
        // Another replica was faster: its key counts.
        Err(ClusterError::Refused { status, .. }) if status.code == 409 => {
            let found = cluster.get(&secrets, namespace, name).await?;
            read(&found.map(|found| found.raw).unwrap_or_default(), name)
        }
        Err(error) => Err(error.into()),
    }
}

fn read(secret: &Json, name: &str) -> Result<DigestKey, DaemonError> {
    let text = secret["data"][ENTRY].as_str().unwrap_or_default();
    let bytes = STANDARD.decode(text).ok();
    let key: Option<[u8; KEY_BYTES]> = bytes.and_then(|bytes| bytes.try_into().ok());
    key.map(DigestKey::new).ok_or_else(|| DaemonError::Io {
        what: format!("the Secret {name} holds no key of {KEY_BYTES} bytes in `{ENTRY}`"),
        source: io::Error::from(io::ErrorKind::InvalidData),
    })
}

/// Reads the key from the state directory; makes it when there is none.
///
/// # Errors
/// The file cannot be read or written.
pub(super) fn of_state(state: &Path) -> Result<DigestKey, DaemonError> {
    let path = state.join("digest-key");
    let io = |source| DaemonError::Io { what: format!("digest key {}", path.display()), source };
    match fs::File::open(&path) {
        Ok(mut file) => {
            let mut bytes = [0; KEY_BYTES];
            file.read_exact(&mut bytes).map_err(io)?;
            Ok(DigestKey::new(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let bytes = random().map_err(io)?;
            let mut options = fs::OpenOptions::new();
            let mut file =
                options.write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
            file.write_all(&bytes).map_err(io)?;
            file.sync_all().map_err(io)?;
            Ok(DigestKey::new(bytes))
        }
        Err(error) => Err(io(error)),
    }
}

fn random() -> io::Result<[u8; KEY_BYTES]> {
    let mut bytes = [0; KEY_BYTES];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
