//! Hosts that hang, drip, cut, lie: each ends in time, says so, and leaves nothing half done.

use std::io::Read;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use hence::model::FileTree;
use hence::sources::git::fetch;
use tokio_util::sync::CancellationToken;

use crate::sources::Client;
use crate::sources::auth;
use crate::sources::files;
use crate::sources::request;
use crate::sources::shown;
use crate::support::git::Behaviour;
use crate::support::git::GitHost;
use crate::support::git::run;

/// A host with one repository of some size; incompressible, so that places in packs mean something.
fn host() -> GitHost {
    let host = GitHost::start();
    let repo = host.repository("app");
    let mut state = 1_u64;
    for i in 0..20 {
        let noise: Vec<u8> = (0..4096)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) as u8
            })
            .collect();
        repo.write(&format!("file-{i}"), noise);
    }
    repo.commit("first", "main");
    host
}

/// Fails with this behaviour, leaves nothing, and works when the host behaves again.
fn fails_then_recovers(host: &GitHost, client: &Client, behaviour: Behaviour, ms: u64) -> String {
    let mut request = request(&host.url("app"));
    request.timeout = Duration::from_millis(ms);
    host.behave(behaviour);
    let error = shown(&client.fetch(&request).expect_err("a host that misbehaves"));
    let left: Vec<_> = client
        .packs()
        .into_iter()
        .chain(
            files(&client.root()).into_iter().filter(|p| p.to_string_lossy().contains("commits")),
        )
        .collect();
    assert!(left.is_empty(), "{error}: left {left:?}");
    error
}

#[test]
fn a_pack_that_is_cut_never_becomes_visible() {
    let host = host();
    let client = Client::new();
    let after = [1, 4, 40, 100, 1000, 40_000]
        .map(|cut_after| Behaviour { cut_after: Some(cut_after), ..Behaviour::default() });
    let before_the_end = [1, 5, 21, 60]
        .map(|cut_short| Behaviour { cut_short: Some(cut_short), ..Behaviour::default() });
    for behaviour in after.into_iter().chain(before_the_end) {
        let error = fails_then_recovers(&host, &client, behaviour.clone(), 20_000);
        assert!(error.starts_with("sources::git::clone"), "{behaviour:?}: {error}");
    }
    host.behave(Behaviour::default());
    let tree = client.fetched(&request(&host.url("app"))).tree;
    assert_eq!(tree.read("file-19").expect("a file").len(), 4096);
}

#[test]
fn a_pack_that_is_changed_on_the_way_is_refused() {
    let host = host();
    let client = Client::new();
    for place in [2000, 20_000, 50_000, 80_000] {
        let behaviour = Behaviour { flip: Some(place), ..Behaviour::default() };
        let error = fails_then_recovers(&host, &client, behaviour, 20_000);
        assert!(error.starts_with("sources::git::clone"), "{place}: {error}");
    }
    host.behave(Behaviour::default());
    assert!(client.fetched(&request(&host.url("app"))).moved);
}

#[test]
fn a_hung_or_slow_host_ends_in_time() {
    let host = host();
    let client = Client::new();
    let drip = Some(Duration::from_millis(20));
    #[rustfmt::skip]
    let cases = [
        ("no answer",      Behaviour { hang_after: Some(0), ..Behaviour::default() }),
        ("half an answer", Behaviour { hang_after: Some(20), ..Behaviour::default() }),
        ("byte by byte",   Behaviour { drip, ..Behaviour::default() }),
    ];
    for (why, behaviour) in cases {
        let start = Instant::now();
        let error = fails_then_recovers(&host, &client, behaviour, 400);
        assert!(start.elapsed() < Duration::from_secs(20), "{why}");
        assert!(error.contains("sources::net::timeout"), "{why}: {error}");
        assert!(error.contains("timed out after 400ms while"), "{why}: {error}");
    }
}

#[test]
fn nobody_listens_and_nobody_speaks() {
    // A bound port that never answers, for ssh too.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let client = Client::new();
    let mut over_ssh = request("http://unused");
    over_ssh.url = format!("ssh://git@127.0.0.1:{port}/app.git");
    over_ssh.auth = auth(&over_ssh.url, &[("identity", b"k"), ("known_hosts", b"h")]);
    over_ssh.timeout = Duration::from_millis(300);
    let error = shown(&client.fetch(&over_ssh).expect_err("silence"));
    assert!(error.contains("sources::net::timeout"), "{error}");
    assert!(error.contains("shaking hands over ssh"), "{error}");
    drop(silent);
    let error = shown(
        &client.fetch(&request(&format!("http://127.0.0.1:{port}/app.git"))).expect_err("closed"),
    );
    assert!(error.contains("sources::net::io") && error.contains("refused"), "{error}");
    let error = shown(&client.fetch(&request("http://host.invalid/app.git")).expect_err("no name"));
    assert!(error.contains("sources::net::io"), "{error}");
}

#[test]
fn a_host_that_is_no_git_host() {
    let host = host();
    let client = Client::new();
    let say = |kind: &str, body: &[u8]| Behaviour {
        say: Some((kind.to_owned(), body.to_vec())),
        ..Behaviour::default()
    };
    let smart = "application/x-git-upload-pack-advertisement";
    #[rustfmt::skip]
    let cases: [(Behaviour, &str); 6] = [
        (say("text/html", b"<html>"),          "sources::net::protocol"),
        (say(smart, b"<html>"),                "sources::net::"),
        (say(smart, b""),                      "sources::net::"),
        (say(smart, b"ffff"),                  "sources::net::"),
        (say(smart, b"0009ERR x"),             "sources::net::"),
        (Behaviour { status: Some(500), ..Behaviour::default() }, "sources::net::status"),
    ];
    for (behaviour, code) in cases {
        let error = fails_then_recovers(&host, &client, behaviour.clone(), 5_000);
        let wanted = format!("sources::git::clone > {code}");
        assert!(error.starts_with(&wanted), "{behaviour:?}: {error}");
    }
}

#[test]
fn a_cancelled_fetch_ends_at_once() {
    let host = host();
    host.behave(Behaviour { hang_after: Some(0), ..Behaviour::default() });
    let client = Client::new();
    let cancel = CancellationToken::new();
    let canceller = cancel.clone();
    let (sender, receiver) = std::sync::mpsc::channel();
    let request = request(&host.url("app"));
    thread::scope(|scope| {
        scope.spawn(|| drop(sender.send(fetch(&client.store, &request, &cancel))));
        canceller.cancel();
        let result = receiver.recv_timeout(Duration::from_secs(30)).expect("ends");
        assert!(shown(&result.expect_err("cancelled")).contains("sources::net::cancelled"));
    });
}

#[test]
fn a_peer_that_hangs_up_during_the_key_exchange() {
    // A peer that closes in the middle of the key exchange, for ssh.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 16]);
        }
    });
    let mut over_ssh = request("http://unused");
    over_ssh.url = format!("ssh://git@127.0.0.1:{port}/app.git");
    over_ssh.auth = auth(&over_ssh.url, &[("identity", b"k"), ("known_hosts", b"h")]);
    let error = shown(&Client::new().fetch(&over_ssh).expect_err("closed"));
    assert!(error.contains("sources::net::io"), "{error}");
}

#[test]
fn a_host_that_sends_another_commit_than_it_names() {
    let host = host();
    let client = Client::new();
    assert!(Client::new().fetched(&request(&host.url("app"))).moved);
    let answers = host.seen();
    let old = answers.last().expect("a pack").answer.clone();
    let repo = host.repository("other");
    repo.write("a.yaml", "one");
    repo.commit("first", "main");
    let lie = Behaviour {
        say: Some(("application/x-git-upload-pack-result".to_owned(), old)),
        ..Behaviour::default()
    };
    host.script([Behaviour::default(), Behaviour::default(), lie]);
    let error = shown(&client.fetch(&request(&host.url("other"))).expect_err("a lie"));
    assert!(error.starts_with("sources::git::incomplete: "), "{error}");
    assert!(client.packs().is_empty(), "what is of no use is not kept");
    assert!(client.fetched(&request(&host.url("other"))).moved);
}

/// A repository of `count` files of the same content, made without a working copy.
fn many_files(host: &GitHost, count: usize) {
    let repo = host.repository("many");
    let mut stream = String::from("blob\nmark :1\ndata 2\nx\n\ncommit refs/heads/main\n");
    stream.push_str("committer Ada <ada@example.com> 1000000000 +0000\ndata 5\nmany\n\n");
    for i in 0..count {
        stream.push_str(&format!("M 100644 :1 d{}/f{i}\n", i % 500));
    }
    std::fs::write(host.root.path().join("stream"), stream).expect("a file");
    let import = format!("git fast-import --quiet < {}/stream", host.root.path().display());
    run("sh", &["-c", &import], &repo.bare);
}

#[test]
fn a_repository_that_is_too_large_is_refused_by_name() {
    let host = GitHost::start();
    many_files(&host, hence::model::limits::TREE_FILES_MAX + 1);
    let client = Client::new();
    let error = shown(&client.fetch(&request(&host.url("many"))).expect_err("too many"));
    assert_eq!(
        error,
        "sources::tree::too_many_files: the source has more than TREE_FILES_MAX = 50000 files"
    );
    assert!(client.packs().is_empty());
}

#[test]
fn sources_of_one_repository_fetch_it_once() {
    let host = host();
    let client = Client::new();
    let request = request(&host.url("app"));
    let moved: usize = thread::scope(|scope| {
        let fetches: Vec<_> =
            (0..8).map(|_| scope.spawn(|| usize::from(client.fetched(&request).moved))).collect();
        fetches.into_iter().map(|fetch| fetch.join().expect("no panic")).sum()
    });
    assert_eq!(moved, 1);
    assert_eq!(client.packs().len(), 1);
}

#[test]
fn endless_references_are_cut_off() {
    let host = host();
    let line = format!("fff0{:65515}\n", "a");
    let max = usize::try_from(hence::model::limits::REFS_BYTES_MAX).expect("fits");
    let body = format!("000eversion 2\n{}", line.repeat(max / line.len() + 1));
    let smart = "application/x-git-upload-pack-advertisement".to_owned();
    host.behave(Behaviour { say: Some((smart, body.into_bytes())), ..Behaviour::default() });
    let error = shown(&Client::new().fetch(&request(&host.url("app"))).expect_err("too much"));
    assert!(
        error.ends_with("the list of references is larger than REFS_BYTES_MAX = 67108864 bytes"),
        "{error}"
    );
}

#[test]
fn a_damaged_store_is_fetched_again() {
    let host = host();
    let mut client = Client::new();
    let request = request(&host.url("app"));
    let repository = hence::sources::git::RepositoryId::of(&request.url, "");
    let tree = client.fetched(&request).tree.id();
    let pack = client.packs().remove(0);
    let mut bytes = std::fs::read(&pack).expect("a pack");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0);
    // A new file: the old one is mapped.
    std::fs::remove_file(&pack).expect("removed");
    std::fs::write(&pack, bytes).expect("written");
    client.reopen();
    let damaged = client.store.tree(&repository, &tree).and_then(|tree| {
        let names: Vec<String> = (0..20).map(|i| format!("file-{i}")).collect();
        let unread = names.iter().find_map(|name| tree.read(name).err());
        unread.map_or(Ok(()), |_| {
            Err(hence::sources::git::StoreError::Gone { id: tree.id().to_string() })
        })
    });
    assert!(damaged.is_err(), "the damage is noticed");
    client.store.distrust(&repository, &tree).expect("a store");
    let new = client.fetched(&request);
    assert!(new.moved && new.tree.id() == tree);
    assert!((0..20).all(|i| new.tree.read(&format!("file-{i}")).is_ok()));
    client.reopen();
    assert_eq!(client.packs().len(), 1, "what is not used any more is removed");
}
