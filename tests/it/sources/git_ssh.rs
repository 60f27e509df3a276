//! Git over ssh against a real `sshd`: keys, host keys, what is refused and how it is said.

use hence::model::FileTree;
use hence::sources::git::GitOutcome;
use hence::sources::git::GitReference;
use hence::sources::git::GitRequest;
use hence::sources::secrets::git_auth;

use crate::sources::Client;
use crate::sources::auth;
use crate::sources::git_http::proxy_of;
use crate::sources::request;
use crate::sources::shown;
use crate::support::git::ProxyHost;
use crate::support::git::SshHost;
use crate::support::git::run;

fn ssh_request(host: &SshHost, name: &str, key: &str, known_hosts: &str) -> GitRequest {
    let mut request = request_for(&host.url(name));
    let key = host.read(key);
    request.auth = auth(
        &request.url,
        &[("identity", key.as_bytes()), ("known_hosts", known_hosts.as_bytes())],
    );
    request
}

fn request_for(url: &str) -> GitRequest {
    GitRequest { url: url.to_owned(), ..request("http://unused") }
}

#[test]
fn fetch_and_fetch_again() {
    let host = SshHost::start(&["ed25519"]);
    let repo = host.repository("app");
    repo.write("a.yaml", "one");
    let first = repo.commit("first", "main");
    let client = Client::new();
    let mut request = ssh_request(&host, "app", "client", &host.known_hosts("ed25519"));
    let new = client.fetched(&request);
    assert_eq!(new.revision, format!("main@sha1:{first}"));
    assert_eq!(&*new.tree.read("a.yaml").expect("a file"), b"one");
    request.known = Some(new.revision.clone());
    let outcome = client.fetch(&request).expect("a host that works");
    assert_eq!(outcome, GitOutcome::Unchanged { revision: new.revision });
    repo.write("a.yaml", "two");
    repo.commit("second", "main");
    let new = client.fetched(&request);
    assert_eq!(&*new.tree.read("a.yaml").expect("a file"), b"two");
    assert_eq!(client.packs().len(), 2);
}

#[test]
fn keys_of_every_kind() {
    let host = SshHost::start(&["ed25519", "rsa", "ecdsa"]);
    let repo = host.repository("app");
    repo.write("a.yaml", "one");
    repo.commit("first", "main");
    let at = host.root.path();
    let mut allowed = host.read("authorized_keys");
    for (name, kind, passphrase, format) in [
        ("rsa", "rsa", "", "RFC4716"),
        ("ecdsa", "ecdsa", "", "RFC4716"),
        ("pem", "rsa", "", "PEM"),
        ("locked", "ed25519", "canary", "RFC4716"),
    ] {
        let path = at.join(name);
        let path = path.to_str().expect("UTF-8");
        run("ssh-keygen", &["-q", "-t", kind, "-N", passphrase, "-m", format, "-f", path], at);
        allowed.push_str(&host.read(&format!("{name}.pub")));
    }
    std::fs::write(at.join("authorized_keys"), allowed).expect("a file");
    for (key, host_key) in [("rsa", "rsa"), ("ecdsa", "ecdsa"), ("pem", "ed25519")] {
        let request = ssh_request(&host, "app", key, &host.known_hosts(host_key));
        assert!(Client::new().fetched(&request).moved, "{key} {host_key}");
    }
    let url = host.url("app");
    let known = host.known_hosts("ed25519");
    let secret = |password: Option<&str>| {
        let mut data = std::collections::BTreeMap::from([
            ("identity".to_owned(), host.read("locked").into_bytes()),
            ("known_hosts".to_owned(), known.clone().into_bytes()),
        ]);
        data.extend(password.map(|p| ("password".to_owned(), p.as_bytes().to_vec())));
        git_auth(&url, Some(("ns/n", &data)))
    };
    assert_eq!(
        secret(None).expect_err("no passphrase").to_string(),
        "SSH identity key is encrypted but no 'password' field was provided in the secret 'ns/n'"
    );
    let mut request = request_for(&url);
    request.auth = secret(Some("canary")).expect("complete");
    assert!(Client::new().fetched(&request).moved);
    request.auth = secret(Some("wrong")).expect("complete");
    let error = shown(&Client::new().fetch(&request).expect_err("a wrong passphrase"));
    assert!(error.starts_with("sources::git::clone > sources::net::settings"), "{error}");
}

#[test]
fn host_keys_are_judged() {
    let host = SshHost::start(&["ed25519", "rsa"]);
    let other = SshHost::start(&["ed25519"]);
    let repo = host.repository("app");
    repo.write("a.yaml", "one");
    repo.commit("first", "main");
    let at = host.root.path();
    let hashed = at.join("hashed");
    std::fs::write(&hashed, host.known_hosts("ed25519")).expect("a file");
    run("ssh-keygen", &["-H", "-f", hashed.to_str().expect("UTF-8")], at);
    let hashed = host.read("hashed");
    assert!(hashed.starts_with("|1|"));
    assert!(Client::new().fetched(&ssh_request(&host, "app", "client", &hashed)).moved);
    let try_with = |known_hosts: &str| {
        let request = ssh_request(&host, "app", "client", known_hosts);
        shown(&Client::new().fetch(&request).expect_err("an unknown host"))
    };
    let unknown = try_with(&other.known_hosts("ed25519"));
    let prefix = format!(
        "sources::git::clone > sources::net::host_key_unknown: unable to clone '{}': ssh: \
         handshake failed: knownhosts: key is unknown: [127.0.0.1]:{} has ssh-",
        host.url("app"),
        host.port
    );
    assert!(unknown.starts_with(&prefix), "{unknown}");
    let with_other_key = format!("[127.0.0.1]:{} {}", host.port, other.read("host_ed25519.pub"));
    let changed = try_with(&with_other_key);
    assert!(changed.contains("sources::net::host_key_changed"), "{changed}");
    assert!(changed.contains("knownhosts: key mismatch"), "{changed}");
    // Nobody was let in, so nothing was authenticated.
    assert_eq!(host.log().matches("Accepted publickey").count(), 1, "{}", host.log());
    // The kinds of keys can be chosen: then only that kind is judged.
    let mut request = ssh_request(&host, "app", "client", &host.known_hosts("rsa"));
    assert!(Client::new().fetched(&request).moved, "known_hosts chooses the kind");
    request.host_key_algorithms = vec!["ssh-ed25519".to_owned()];
    let error = shown(&Client::new().fetch(&request).expect_err("a key of another kind"));
    assert!(error.contains("host_key"), "{error}");
    request.host_key_algorithms = vec!["rsa-sha2-512".to_owned()];
    request.kex_algorithms = vec!["ecdh-sha2-nistp256".to_owned()];
    assert!(Client::new().fetched(&request).moved);
    request.kex_algorithms = vec!["none-such".to_owned()];
    let error = Client::new().fetch(&request).expect_err("no such algorithm").to_string();
    assert!(error.contains("unknown algorithm `none-such`"), "{error}");
}

#[test]
fn what_is_refused() {
    let host = SshHost::start(&["ed25519"]);
    let stranger = SshHost::start(&["ed25519"]);
    let known = host.known_hosts("ed25519");
    let mut request = ssh_request(&host, "none", "client", &known);
    let error = shown(&Client::new().fetch(&request).expect_err("no such repository"));
    assert!(error.starts_with("sources::git::repository_not_found: "), "{error}");
    let key = stranger.read("client");
    request.auth =
        auth(&request.url, &[("identity", key.as_bytes()), ("known_hosts", known.as_bytes())]);
    let error = shown(&Client::new().fetch(&request).expect_err("a stranger's key"));
    assert!(error.starts_with("sources::git::clone > sources::net::unauthenticated"), "{error}");
}

#[test]
fn through_a_socks_proxy() {
    let host = SshHost::start(&["ed25519"]);
    let proxy = ProxyHost::start();
    let repo = host.repository("app");
    repo.write("a.yaml", "one");
    repo.commit("first", "main");
    // Only the proxy knows this name.
    let known = host.known_hosts("ed25519").replace("127.0.0.1", "git.test");
    let mut request = ssh_request(&host, "app", "client", &known);
    request.url = request.url.replace("127.0.0.1", "git.test");
    request.proxy = proxy_of("socks5", proxy.port, "pass");
    assert!(Client::new().fetched(&request).moved);
    assert_eq!(proxy.reached(), [format!("git.test:{}", host.port)]);
    request.proxy = proxy_of("socks5", proxy.port, "canary");
    let error = Client::new().fetch(&request).expect_err("a wrong password").to_string();
    assert!(error.contains("the proxy refuses name or password"), "{error}");
    assert!(!error.contains("canary"));
    request.proxy = proxy_of("http", proxy.port, "pass");
    let error = Client::new().fetch(&request).expect_err("not for ssh").to_string();
    assert!(error.contains("a proxy for ssh has to be socks5"), "{error}");
}

#[test]
fn a_commit_behind_the_head_of_an_older_host() {
    // Without the variable the host speaks the older protocol, and gives such a commit only with
    // the history of its references.
    let host = SshHost::start_with(&["ed25519"], "# no AcceptEnv");
    let repo = host.repository("app");
    repo.write("a.yaml", "one");
    let first = repo.commit("first", "main");
    repo.write("a.yaml", "two");
    repo.commit("second", "main");
    let mut request = ssh_request(&host, "app", "client", &host.known_hosts("ed25519"));
    let branch = request.reference.clone();
    request.reference = GitReference { commit: Some(first.clone()), ..GitReference::default() };
    let client = Client::new();
    let new = client.fetched(&request);
    assert_eq!(new.revision, format!("sha1:{first}"));
    assert_eq!(&*new.tree.read("a.yaml").expect("a file"), b"one");
    assert_eq!(host.log().matches("Accepted publickey").count(), 2, "asked twice");
    request.reference = branch;
    assert_eq!(&*client.fetched(&request).tree.read("a.yaml").expect("a file"), b"two");
    request.reference.commit = Some("0123456789abcdef0123456789abcdef01234567".to_owned());
    let error = shown(&client.fetch(&request).expect_err("no such commit"));
    assert!(error.starts_with("sources::git::commit_not_found: "), "{error}");
}
