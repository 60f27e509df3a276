//! The conversation with a Git host: handshake, list of references, one pack.
//!
//! In: a transport. Out: references; objects in an epoch of the store. Protocol version 2, or what
//! an older host offers. One round: all that we have is said with what we want, and the pack
//! follows.
//!
//! Not here: bytes (`transport/`), choosing (`choose.rs`), objects on disk (`store.rs`).

use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gix::bstr::BString;
use gix::hash::Kind;
use gix::hash::ObjectId;
use gix::odb::pack::Bundle;
use gix::progress::Discard;
use gix::protocol::Command;
use gix::protocol::Handshake;
use gix::protocol::LsRefsCommand;
use gix::protocol::fetch::Arguments;
use gix::protocol::fetch::Response;
use gix::protocol::handshake::Ref;
use gix::protocol::ls_refs::RefPrefixes;
use gix_transport::Protocol;
use gix_transport::Service;

use crate::model::limits;
use crate::sources::git::GitError;
use crate::sources::git::GitRequest;
use crate::sources::git::store::Epoch;
use crate::sources::git::transport;
use crate::sources::git::transport::AnyTransport;
use crate::sources::http::USER_AGENT;
use crate::sources::net::Fault;
use crate::sources::net::Net;

/// What hosts may offer and this conversation, of one round and one stream, has no use for.
const UNUSED_FEATURES: &[&str] = &["sideband-all", "packfile-uris", "wait-for-done", "no-done"];

/// A reference of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RemoteRef {
    /// Its full name.
    pub(super) name: String,
    /// What it points to, tags peeled.
    pub(super) commit: ObjectId,
}

/// An open conversation.
pub(super) struct Remote {
    net: Arc<Net>,
    url: String,
    lists_first: bool,
    transport: AnyTransport,
    handshake: Handshake,
}

impl Remote {
    /// Connects and shakes hands. `lists_first`: the caller asks what a reference names before it
    /// fetches, which Flux's messages tell apart.
    pub(super) fn open(
        net: &Arc<Net>,
        request: &GitRequest,
        lists_first: bool,
    ) -> Result<Self, GitError> {
        let url = request.url.clone();
        net.allow("the list of references", "REFS_BYTES_MAX", limits::REFS_BYTES_MAX);
        let mut transport = transport::connect(net, request)
            .map_err(|fault| GitError::list_failed(&url, fault, lists_first))?;
        let handshake = gix::protocol::handshake(
            &mut transport,
            Service::UploadPack,
            |_| Ok(None),
            Vec::new(),
            &mut Discard,
        )
        .map_err(|e| GitError::list_failed(&url, cause(net, &e), lists_first))?;
        Ok(Self { net: net.clone(), url, lists_first, transport, handshake })
    }

    /// The hash that names the host's objects.
    pub(super) fn object_hash(&self) -> Kind {
        let format = self.handshake.capabilities.capability("object-format");
        let is_sha256 = format
            .and_then(|format| format.value().map(|value| value == "sha256"))
            .unwrap_or(false);
        if is_sha256 { Kind::Sha256 } else { Kind::Sha1 }
    }

    /// The host's references whose full names begin with one of `prefixes`.
    pub(super) fn list(&mut self, prefixes: &[&str]) -> Result<Vec<RemoteRef>, GitError> {
        let refs = match &self.handshake.refs {
            Some(refs) => refs.clone(),
            None => {
                let mut wanted = RefPrefixes::new();
                wanted.extend(prefixes.iter().map(|prefix| BString::from(*prefix)));
                let agent = ("agent", Some(USER_AGENT.to_owned()));
                LsRefsCommand::new(Some(wanted), &self.handshake.capabilities, agent)
                    .invoke_blocking(&mut self.transport, &mut Discard, false)
                    .map_err(|e| {
                        GitError::list_failed(&self.url, cause(&self.net, &e), self.lists_first)
                    })?
            }
        };
        let listed = refs.iter().filter_map(remote_ref);
        Ok(listed
            .filter(|found| prefixes.iter().any(|prefix| found.name.starts_with(prefix)))
            .collect())
    }

    /// Whether the host has no branch and no tag.
    pub(super) fn is_empty(&mut self) -> Result<bool, GitError> {
        Ok(self.list(&["refs/"])?.is_empty())
    }

    /// Receives `wants` into `epoch`: these commits alone, or with all their history when the host
    /// gives commits that no reference names only in that way. Returns the files of the pack.
    pub(super) fn fetch_pack(
        &mut self,
        epoch: &Epoch,
        request: &GitRequest,
        wants: &[ObjectId],
        whole_history: bool,
    ) -> Result<Vec<PathBuf>, GitError> {
        match self.receive(epoch, wants, true) {
            Err(fault) if whole_history && is_refusal(&fault) => {
                self.net.forget();
                *self = Self::open(&self.net, request, false)?;
                let mut tips: Vec<ObjectId> = self
                    .list(&["refs/heads/", "refs/tags/"])?
                    .into_iter()
                    .map(|found| found.commit)
                    .collect();
                tips.sort_unstable();
                tips.dedup();
                if tips.is_empty() {
                    return Err(self.missing_commit(wants, fault));
                }
                self.receive(epoch, &tips, false)
                    .map_err(|fault| GitError::clone_failed(&self.url, fault))
            }
            result => result.map_err(|fault| self.missing_commit(wants, fault)),
        }
    }

    fn missing_commit(&self, wants: &[ObjectId], fault: Fault) -> GitError {
        match (&fault, wants.first()) {
            (Fault::Remote { said }, Some(id)) if said.contains("not our ref") => {
                GitError::CommitNotFound { id: id.to_string() }
            }
            _ => GitError::clone_failed(&self.url, fault),
        }
    }

    fn receive(
        &mut self,
        epoch: &Epoch,
        wants: &[ObjectId],
        alone: bool,
    ) -> Result<Vec<PathBuf>, Fault> {
        let version = self.handshake.server_protocol_version;
        let mut features = Command::Fetch.default_features(version, &self.handshake.capabilities);
        features.retain(|(name, _)| !UNUSED_FEATURES.contains(name));
        if version == Protocol::V2 || self.handshake.capabilities.contains("agent") {
            features.push(("agent", Some(USER_AGENT.to_owned())));
        }
        let mut arguments = Arguments::new(version, features, false);
        for want in wants {
            arguments.want(want);
        }
        if alone && arguments.can_use_shallow() {
            // What we hold are commits without their parents: the host has to know.
            for have in epoch.haves() {
                arguments.shallow(have);
                arguments.have(have);
            }
            arguments.deepen(1);
        }
        let net = self.net.clone();
        net.allow("the pack", "PACK_BYTES_MAX", limits::PACK_BYTES_MAX);
        let failed = |e: &dyn std::error::Error| cause(&net, e);
        let mut reader = arguments.send(&mut self.transport, true).map_err(|e| failed(&e))?;
        Response::from_line_reader(version, &mut reader, true, false).map_err(|e| failed(&e))?;
        let said = Arc::new(std::sync::Mutex::new(String::new()));
        reader.set_progress_handler(Some(Box::new({
            let said = said.clone();
            move |is_error, text: &[u8]| {
                if is_error && let Ok(mut said) = said.lock() {
                    said.push_str(&String::from_utf8_lossy(text));
                }
                std::ops::ControlFlow::Continue(())
            }
        })));
        let written = write_pack(epoch, &mut reader);
        let said = said.lock().map(|said| said.trim().to_owned()).unwrap_or_default();
        match written {
            Ok(files) => Ok(files),
            Err(_) if !said.is_empty() && net.fault().is_none() => Err(Fault::Remote { said }),
            Err(e) => Err(failed(&e)),
        }
    }
}

fn remote_ref(found: &Ref) -> Option<RemoteRef> {
    let (name, commit) = match found {
        Ref::Peeled { full_ref_name, object, .. }
        | Ref::Direct { full_ref_name, object }
        | Ref::Symbolic { full_ref_name, object, .. } => (full_ref_name, object),
        Ref::Unborn { .. } => return None,
    };
    Some(RemoteRef { name: name.to_string(), commit: *commit })
}

/// Writes pack and index below temporary names; they appear under their own when both are whole.
fn write_pack(epoch: &Epoch, pack: &mut dyn BufRead) -> gix::Result<Vec<PathBuf>> {
    let outcome = Bundle::write_to_directory(
        pack,
        Some(&epoch.pack_directory()),
        &mut Discard,
        &AtomicBool::new(false),
        Some(epoch.objects()),
        epoch.object_hash(),
        gix::odb::pack::bundle::write::Options {
            thread_limit: Some(1),
            iteration_mode: gix::odb::pack::data::input::Mode::Verify,
            alloc_limit_bytes: usize::try_from(limits::PACK_BYTES_MAX).ok(),
            ..gix::odb::pack::bundle::write::Options::default()
        },
    )?;
    // Nobody collects garbage in this directory but us: the marker has no reader.
    if let Some(keep) = outcome.keep_path {
        let _ = std::fs::remove_file(keep);
    }
    let files: Vec<PathBuf> = outcome.index_path.into_iter().chain(outcome.data_path).collect();
    match std::io::copy(pack, &mut std::io::sink()) {
        Ok(_) => Ok(files),
        Err(e) => {
            // The pack is whole, the answer is not: what fails leaves nothing.
            epoch.discard(&files);
            Err(gix::Error::from_error(e))
        }
    }
}

/// What is behind a library's error: our own fault when there was one.
fn cause(net: &Net, error: &dyn std::error::Error) -> Fault {
    net.fault().unwrap_or_else(|| {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(below) = source {
            let text = below.to_string();
            if !reason.contains(&text) {
                reason = format!("{reason}: {text}");
            }
            source = below.source();
        }
        Fault::Remote { said: reason }
    })
}

fn is_refusal(fault: &Fault) -> bool {
    matches!(fault, Fault::Remote { .. })
}
