//! Artifacts: packed, served, fetched, verified, unpacked; what may not be in an archive.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use hence::model::ContentId;
use hence::model::Digest;
use hence::model::FileTree;
use hence::sources::Timeouts;
use hence::sources::artifact::ArtifactError;
use hence::sources::artifact::FetchRequest;
use hence::sources::artifact::FileStore;
use hence::sources::artifact::fetch;
use hence::sources::artifact::pack;
use hence::sources::tree::SourceTree;
use tokio_util::sync::CancellationToken;

use crate::sources::Client;
use crate::sources::files;
use crate::sources::request;
use crate::support::git::Behaviour;
use crate::support::git::GitHost;
use crate::support::git::run;

struct Files {
    directory: tempfile::TempDir,
    store: FileStore,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = FileStore::open(directory.path()).expect("a store");
        Self { directory, store }
    }

    fn fetch(&self, request: &FetchRequest) -> Result<SourceTree, ArtifactError> {
        let fetched = fetch(&self.store, request, &CancellationToken::new())?;
        Ok(self.store.tree(&fetched.tree).expect("a tree that was just published"))
    }
}

fn quick(host: &GitHost, digest: &str) -> FetchRequest {
    let ms = Duration::from_millis;
    FetchRequest {
        retries: 2,
        pause: ms(1),
        pause_max: ms(2),
        timeouts: Timeouts { connect: ms(5000), idle: ms(2000), total: ms(20_000) },
        ..FetchRequest::new(&format!("http://127.0.0.1:{}/a.tar.gz", host.port), digest)
    }
}

fn says(bytes: &[u8]) -> Behaviour {
    Behaviour { say: Some(("application/gzip".to_owned(), bytes.to_vec())), ..Behaviour::default() }
}

fn status(status: u16) -> Behaviour {
    Behaviour { status: Some(status), ..Behaviour::default() }
}

fn packed(tree: &SourceTree) -> Vec<u8> {
    let mut bytes = Vec::new();
    pack(tree, &mut bytes).expect("readable");
    bytes
}

fn paths(tree: &SourceTree, directory: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (name, entry) in tree.list(directory).expect("readable") {
        let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
        match entry {
            hence::model::Entry::Directory { .. } => {
                all.push(format!("{path}/"));
                all.extend(paths(tree, &path));
            }
            _ => {
                let text = String::from_utf8_lossy(&tree.read(&path).expect("a file")).into_owned();
                let mode = if tree.is_executable(&path) { "*" } else { "" };
                all.push(format!("{path}{mode}={text}"));
            }
        }
    }
    all
}

/// A tree with long, non-ASCII and executable names, links and ignored files.
fn varied() -> SourceTree {
    let host = GitHost::start();
    let repo = host.repository("app");
    let deep = ["d".repeat(60), "e".repeat(60), "f".repeat(60), "g".repeat(60)].join("/");
    repo.write("a.yaml", "a");
    repo.write("a/b.yaml", "ab");
    repo.write("a-b/c.yaml", "a-b");
    repo.write("empty/only.jpg", "ignored");
    repo.write("run.sh", "#!/bin/sh");
    repo.write("größe/naïve.yaml", "utf8");
    repo.write(&format!("{deep}/long.yaml"), "long");
    repo.write(&format!("{}.yaml", "n".repeat(150)), "very long");
    repo.write(".gitignore", "x");
    std::os::unix::fs::symlink("a.yaml", repo.work().join("link.yaml")).expect("a link");
    repo.git(&["add", "-A"]);
    repo.git(&["update-index", "--chmod=+x", "run.sh"]);
    repo.git(&["commit", "-q", "-m", "all"]);
    repo.git(&["push", "-q", "origin", "HEAD:refs/heads/main"]);
    let tree = Client::new().fetched(&request(&host.url("app"))).tree;
    let view = tree.filtered(&tree.ignore_rules(None).expect("readable"));
    // The store is gone with the client, the packs are still mapped: read all now.
    let _ = packed(&view);
    view
}

#[test]
fn packed_and_unpacked_again_it_is_the_same_tree() {
    let host = GitHost::start();
    let repo = host.repository("app");
    repo.write("a.yaml", "a");
    let _ = repo;
    let view = varied();
    let bytes = packed(&view);
    assert_eq!(bytes, packed(&view), "the same tree, the same bytes");
    host.behave(says(&bytes));
    let files = Files::new();
    let digest = Digest::of(&bytes).to_string();
    let tree = files.fetch(&quick(&host, &digest)).expect("an artifact");
    assert_eq!(paths(&tree, ""), paths(&view, ""));
    assert!(paths(&tree, "").contains(&"empty/".to_owned()));
    assert!(paths(&tree, "").contains(&"run.sh*=#!/bin/sh".to_owned()));
    assert_eq!(packed(&tree), bytes, "packed again, the same bytes");
    // What tar itself makes of it.
    let out = tempfile::tempdir().expect("a directory");
    std::fs::write(out.path().join("a.tar.gz"), &bytes).expect("a file");
    let listing = run("tar", &["-tvzf", "a.tar.gz"], out.path());
    let lines: Vec<&str> = listing.lines().collect();
    assert!(lines[0].starts_with("drwxr-x--- 0/0") && lines[0].ends_with(" ."), "{}", lines[0]);
    let names = |wanted: &str| lines.iter().position(|line| line.ends_with(wanted));
    assert!(names(" a/b.yaml") < names(" a-b/c.yaml") || names(" a-b") < names(" a"), "{listing}");
    assert!(lines.iter().any(|l| l.starts_with("-rwx------ 0/0") && l.ends_with(" run.sh")));
    assert!(lines.iter().any(|l| l.starts_with("-rw------- 0/0") && l.ends_with(" a.yaml")));
    assert!(!listing.contains("link.yaml") && !listing.contains(".gitignore"));
    assert_eq!(lines.iter().filter(|l| l.ends_with("long.yaml")).count(), 1);
}

#[test]
fn fetched_once() {
    let host = GitHost::start();
    let bytes = archive(&[("a.yaml", b"a")]);
    host.behave(says(&bytes));
    let files = Files::new();
    let sha512 = {
        use sha2::Digest as _;
        let hash = sha2::Sha512::digest(&bytes);
        format!("sha512:{}", hash.iter().map(|b| format!("{b:02x}")).collect::<String>())
    };
    for digest in [Digest::of(&bytes).to_string(), sha512] {
        let request = quick(&host, &digest);
        let cancel = CancellationToken::new();
        assert!(fetch(&files.store, &request, &cancel).expect("an artifact").moved);
        host.seen();
        let again = fetch(&files.store, &request, &cancel).expect("an artifact");
        assert!(!again.moved && host.seen().is_empty());
    }
    // A damaged file is noticed, and brought again.
    let digest = Digest::of(&bytes).to_string();
    let tree = files.fetch(&quick(&host, &digest)).expect("an artifact");
    let blob = super::files(&files.directory.path().join("blobs")).remove(0);
    std::fs::write(&blob, "b").expect("damaged");
    assert!(tree.read("a.yaml").is_err());
    let tree = files.fetch(&quick(&host, &digest)).expect("an artifact");
    assert_eq!(&*tree.read("a.yaml").expect("a file"), b"a");
    assert_eq!(host.seen().len(), 1);
    // What nobody keeps goes.
    files.store.collect(&BTreeSet::from([tree.id()])).expect("a store");
    assert!(files.store.tree(&tree_id(&files, &quick(&host, &digest))).is_ok());
    files.store.collect(&BTreeSet::new()).expect("a store");
    assert!(super::files(files.directory.path()).is_empty());
}

fn tree_id(files: &Files, request: &FetchRequest) -> ContentId {
    fetch(&files.store, request, &CancellationToken::new()).expect("an artifact").tree
}

#[test]
fn failures_and_retries() {
    let host = GitHost::start();
    let bytes = archive(&[("a.yaml", b"a")]);
    let digest = Digest::of(&bytes).to_string();
    let files = Files::new();
    let request = quick(&host, &digest);
    host.behave(says(&bytes));
    let cut = Behaviour { cut_after: Some(20), ..says(&bytes) };
    let hung = Behaviour { hang_after: Some(20), ..says(&bytes) };
    host.script([status(503), cut.clone()]);
    assert!(files.fetch(&request).is_ok(), "the third try works");
    assert_eq!(host.seen().len(), 3);
    let url = request.url.clone();
    let fails = |steps: Vec<Behaviour>| {
        host.seen();
        host.script(steps);
        let empty = Files::new();
        let error = empty.fetch(&request).expect_err("fails").to_string();
        assert!(super::files(empty.directory.path()).is_empty(), "{error}");
        (error, host.seen().len())
    };
    let (error, tries) = fails(vec![status(404)]);
    assert_eq!(
        (error, tries),
        (format!("failed to download archive from {url}: file not found"), 1)
    );
    let (error, tries) = fails(vec![status(403)]);
    assert_eq!(
        (error, tries),
        (format!("failed to download archive from {url} (status: 403 Forbidden)"), 1)
    );
    let (error, tries) = fails(vec![status(500), cut, hung]);
    let prefix = format!("failed to download archive: GET {url} giving up after 3 attempt(s): ");
    assert_eq!(
        (error, tries),
        (format!("{prefix}timed out after 2s while waiting for the next byte"), 3)
    );
    let other = archive(&[("a.yaml", b"b")]);
    let (error, tries) = fails(vec![says(&other)]);
    assert_eq!(
        (error, tries),
        (
            format!(
                "failed to verify archive: computed digest doesn't match provided \
                 '{digest}' (check whether file size exceeds max download size)"
            ),
            1
        )
    );
}

#[test]
fn digests_that_cannot_be_checked() {
    let host = GitHost::start();
    let files = Files::new();
    for digest in ["", "sha256", "md5:00", "sha256:00", "blake3:00", "sha256:../../x"] {
        let error = files.fetch(&quick(&host, digest)).expect_err(digest).to_string();
        assert!(error.starts_with("failed to verify archive: failed to parse digest"), "{error}");
    }
    assert!(host.seen().is_empty(), "nothing is moved for them");
}

/// An archive with these files, as given, without any check.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    raw_archive(files.iter().map(|(name, bytes)| (*name, tar::EntryType::Regular, *bytes)))
}

fn raw_archive<'a>(entries: impl Iterator<Item = (&'a str, tar::EntryType, &'a [u8])>) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (name, kind, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        let fields = header.as_ustar_mut().expect("ustar");
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        tar.append(&header, bytes).expect("in memory");
    }
    tar.into_inner().and_then(flate2::write::GzEncoder::finish).expect("in memory")
}

#[test]
fn what_may_not_be_in_an_archive() {
    use tar::EntryType;
    let file = EntryType::Regular;
    let host = GitHost::start();
    let try_with = |bytes: &[u8]| {
        host.behave(says(bytes));
        let files = Files::new();
        let digest = Digest::of(bytes).to_string();
        let result = files.fetch(&quick(&host, &digest));
        let outside = files.directory.path().parent().expect("a parent").join("evil");
        assert!(!outside.exists());
        result.map(|tree| paths(&tree, ""))
    };
    let one =
        |name: &str, kind: EntryType| try_with(&raw_archive([(name, kind, &b""[..])].into_iter()));
    for name in ["../evil", "/evil", "a/../../evil", "a\\b", "a/.."] {
        let error = one(name, file).expect_err(name).to_string();
        assert_eq!(error, format!("tar contained invalid name error {name:?}"));
    }
    for kind in [EntryType::Link, EntryType::Char, EntryType::Fifo] {
        let error = one("x", kind).expect_err("special").to_string();
        assert!(error.starts_with("tar file entry x contained unsupported file type"), "{error}");
    }
    assert!(one("x", EntryType::Symlink).expect("links are passed over").is_empty());
    let both = raw_archive([("a", file, &b"1"[..]), ("a/b", file, b"2")].into_iter());
    assert!(try_with(&both).expect_err("both").to_string().contains("both a file and a directory"));
    let twice = archive(&[("a", b"1"), ("./a", b"2")]);
    assert_eq!(try_with(&twice).expect("the last wins"), ["a=2"]);
    assert_eq!(try_with(&archive(&[("x/y/z", b"1")])).expect("parents"), ["x/", "x/y/", "x/y/z=1"]);
    for bytes in [&b""[..], b"not gzip", &archive(&[("a", b"1")])[..30]] {
        let error = try_with(bytes).expect_err("damaged").to_string();
        assert!(error.starts_with("tar error: "), "{error}");
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&[7; 600]).expect("in memory");
    let garbage = gzip.finish().expect("in memory");
    assert!(try_with(&garbage).expect_err("garbage").to_string().starts_with("tar error: "));
}

#[test]
fn too_many_files_are_refused() {
    let host = GitHost::start();
    let names: Vec<String> =
        (0..=hence::model::limits::TREE_FILES_MAX).map(|i| format!("{i}")).collect();
    let bytes = raw_archive(names.iter().map(|n| (n.as_str(), tar::EntryType::Regular, &b""[..])));
    host.behave(says(&bytes));
    let files = Files::new();
    let error = files.fetch(&quick(&host, &Digest::of(&bytes).to_string())).expect_err("too many");
    assert_eq!(error.to_string(), "the source has more than TREE_FILES_MAX = 50000 files");
    assert!(!super::files(files.directory.path()).iter().any(|p| p.ends_with("trees")));
}

#[test]
fn another_host_can_be_named() {
    let host = GitHost::start();
    let bytes = archive(&[("a.yaml", b"a")]);
    host.behave(says(&bytes));
    let mut request = quick(&host, &Digest::of(&bytes).to_string());
    request.url = "http://source-controller.flux-system.svc/gitrepository/ns/app/c.tar.gz".into();
    request.host = Some(format!("127.0.0.1:{}", host.port));
    assert!(Files::new().fetch(&request).is_ok());
    assert_eq!(host.seen()[0].target, "/gitrepository/ns/app/c.tar.gz");
    let _ = files(std::path::Path::new("/nonexistent"));
}
