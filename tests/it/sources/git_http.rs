//! Git over http and https: references, credentials, redirects, proxies, what is moved and what not.

use hence::model::ContentId;
use hence::model::FileTree;
use hence::sources::git::GitOutcome;
use hence::sources::git::GitReference;
use hence::sources::git::KeptTree;
use hence::sources::git::RepositoryId;
use hence::sources::secrets::proxy;

use crate::sources::Client;
use crate::sources::auth;
use crate::sources::request;
use crate::sources::shown;
use crate::support::git::Behaviour;
use crate::support::git::Certificates;
use crate::support::git::GitHost;
use crate::support::git::Guard;
use crate::support::git::Repository;

fn reference(field: &str, value: &str) -> GitReference {
    let mut reference = GitReference::default();
    let value = Some(value.to_owned());
    match field {
        "branch" => reference.branch = value,
        "tag" => reference.tag = value,
        "semver" => reference.semver = value,
        "name" => reference.name = value,
        _ => reference.commit = value,
    }
    reference
}

#[test]
fn every_kind_of_reference() {
    let host = GitHost::start();
    let repo = host.repository("app");
    repo.write("a.yaml", "one");
    let first = repo.commit("first", "main");
    repo.tag("v1.0.0", Some("annotated"));
    repo.write("a.yaml", "two");
    let second = repo.commit("second", "feature/x");
    repo.tag("v1.1.0", None);
    repo.git(&["push", "-q", "origin", "HEAD:refs/pull/1/head"]);
    #[rustfmt::skip]
    let cases = [
        (reference("branch", "main"),              format!("main@sha1:{first}"),              "one"),
        (reference("branch", "feature/x"),         format!("feature/x@sha1:{second}"),        "two"),
        (reference("tag", "v1.0.0"),               format!("v1.0.0@sha1:{first}"),            "one"),
        (reference("tag", "v1.1.0"),               format!("v1.1.0@sha1:{second}"),           "two"),
        (reference("semver", ">=1.0.0"),           format!("v1.1.0@sha1:{second}"),           "two"),
        (reference("semver", "1.0.x"),             format!("v1.0.0@sha1:{first}"),            "one"),
        (reference("name", "refs/heads/main"),     format!("refs/heads/main@sha1:{first}"),   "one"),
        (reference("name", "refs/pull/1/head"),    format!("refs/pull/1/head@sha1:{second}"), "two"),
        (reference("name", "refs/tags/v1.0.0^{}"), format!("refs/tags/v1.0.0^{{}}@sha1:{first}"), "one"),
        (reference("commit", &first),              format!("sha1:{first}"),                   "one"),
        (GitReference { branch: Some("main".into()), ..reference("commit", &first) },
                                                   format!("main@sha1:{first}"),              "one"),
    ];
    for old_protocol in [false, true] {
        host.behave(Behaviour { old_protocol, ..Behaviour::default() });
        for (reference, revision, content) in &cases {
            let client = Client::new();
            let mut request = request(&host.url("app"));
            request.reference = reference.clone();
            let new = client.fetched(&request);
            assert_eq!(&new.revision, revision, "old protocol: {old_protocol}");
            assert_eq!(&*new.tree.read("a.yaml").expect("a file"), content.as_bytes());
            assert_eq!(new.author, "Ada <ada@example.com>");
            request.known = Some(revision.clone());
            host.seen();
            let outcome = client.fetch(&request).expect("a host that works");
            assert_eq!(outcome, GitOutcome::Unchanged { revision: revision.clone() });
            let asked_for_pack = host
                .seen()
                .iter()
                .any(|seen| String::from_utf8_lossy(&seen.body).contains("want "));
            assert!(!asked_for_pack, "{revision}: nothing is moved when nothing changed");
        }
    }
}

#[test]
fn what_cannot_be_found() {
    let host = GitHost::start();
    let repo = host.repository("app");
    host.repository("empty");
    repo.write("a.yaml", "one");
    repo.commit("first", "main");
    let missing = "0123456789abcdef0123456789abcdef01234567";
    #[rustfmt::skip]
    let cases = [
        ("app",   reference("branch", "none")),
        ("app",   reference("tag", "none")),
        ("app",   reference("name", "refs/none")),
        ("app",   reference("semver", ">=1")),
        ("app",   reference("semver", "not a range")),
        ("app",   reference("commit", missing)),
        ("none",  reference("branch", "main")),
        ("empty", reference("branch", "main")),
        ("empty", reference("tag", "v1")),
    ];
    let port = host.port.to_string();
    let found: Vec<String> = cases
        .into_iter()
        .map(|(name, reference)| {
            let mut request = request(&host.url(name));
            request.reference = reference;
            shown(&Client::new().fetch(&request).expect_err(name)).replace(&port, "PORT")
        })
        .collect();
    insta::assert_snapshot!(found.join("\n"), @r#"
    sources::git::reference_not_found: unable to clone 'http://localhost:PORT/app.git': couldn't find remote ref "refs/heads/none"
    sources::git::reference_not_found: unable to clone 'http://localhost:PORT/app.git': couldn't find remote ref "refs/tags/none"
    sources::git::name_not_found: unable to resolve ref 'refs/none' to a specific commit
    sources::git::no_version: no match found for semver: >=1
    sources::git::semver: semver parse error: improper constraint: "not a range"
    sources::git::commit_not_found: unable to resolve commit object for '0123456789abcdef0123456789abcdef01234567': object not found
    sources::git::repository_not_found: unable to clone: repository not found: git repository: 'http://localhost:PORT/none.git'
    sources::git::empty_repository: git repository is empty
    sources::git::repository_not_found: unable to clone: remote repository is empty: git repository: 'http://localhost:PORT/empty.git'
    "#);
}

#[test]
fn credentials() {
    let host = GitHost::start();
    let repo = host.repository("app");
    repo.write("a.yaml", "one");
    repo.commit("first", "main");
    let url = host.url("app");
    let basic: &[(&str, &[u8])] = &[("username", b"ada"), ("password", b"canary")];
    let bearer: &[(&str, &[u8])] = &[("bearerToken", b"canary")];
    let guards = [
        (Guard::Basic("ada".into(), "canary".into()), basic),
        (Guard::Bearer("canary".into()), bearer),
    ];
    for (guard, secret) in guards {
        host.behave(Behaviour { guard, ..Behaviour::default() });
        let mut request = request(&url);
        let error = Client::new().fetch(&request).expect_err("no credentials");
        assert_eq!(
            shown(&error),
            format!(
                "sources::git::clone > sources::net::unauthenticated: unable to clone '{url}': \
                 authentication required"
            )
        );
        request.auth = auth(&url, secret);
        assert!(Client::new().fetched(&request).moved);
        let with_user = url.replace("://", "://ada:canary@");
        request.auth = auth(&with_user, &[]);
        request.url = with_user;
        let result = Client::new().fetch(&request);
        assert!(!format!("{result:?} {request:?}").replace(&request.url, "").contains("canary"));
    }
    host.behave(Behaviour { status: Some(403), ..Behaviour::default() });
    let mut held = request(&url);
    held.known = Some("main@sha1:0".into());
    let error = Client::new().fetch(&held).expect_err("forbidden");
    assert_eq!(error.to_string(), format!("unable to list remote for '{url}': authorization failed"));
}

#[test]
fn a_redirect_keeps_credentials_at_home() {
    let (first, second) = (GitHost::start(), GitHost::start());
    let repo = second.repository("app");
    repo.write("a.yaml", "one");
    repo.commit("first", "main");
    let base = format!("http://127.0.0.1:{}", second.port);
    first.behave(Behaviour { redirect: Some((301, base)), ..Behaviour::default() });
    let mut request = request(&first.url("app"));
    request.auth = auth(&request.url, &[("username", b"u"), ("password", b"p")]);
    let new = Client::new().fetched(&request);
    assert_eq!(new.message.trim(), "first");
    let at_first = first.seen();
    assert_eq!(at_first.len(), 1, "later requests go straight to the target");
    assert!(at_first[0].headers.contains_key("authorization"));
    let at_second = second.seen();
    assert!(at_second.len() >= 2);
    assert!(at_second.iter().all(|seen| !seen.headers.contains_key("authorization")));
}

#[test]
fn redirects_that_are_not_followed() {
    let certificates = Certificates::make();
    let plain = GitHost::start();
    let secure = GitHost::start_with(Some(certificates.server(false)));
    let to = |url: String| Behaviour { redirect: Some((302, url)), ..Behaviour::default() };
    secure.behave(to(format!("http://localhost:{}", plain.port)));
    let mut request = request(&secure.url("app"));
    request.auth = auth(&request.url, &[("ca.crt", &certificates.read("ca.crt"))]);
    let error = shown(&Client::new().fetch(&request).expect_err("a downgrade"));
    assert!(error.starts_with("sources::git::clone > sources::net::redirect_downgrade"), "{error}");
    assert!(plain.seen().is_empty());
    plain.behave(to(format!("http://localhost:{}", plain.port)));
    let error = Client::new().fetch(&super::request(&plain.url("app"))).expect_err("a circle");
    assert!(error.to_string().contains("more than REDIRECTS_MAX = 10 of them"), "{error}");
    plain.behave(to("file:///etc/passwd?".into()));
    let error = Client::new().fetch(&super::request(&plain.url("app"))).expect_err("a file");
    assert!(error.to_string().contains("neither http nor https"), "{error}");
}

#[test]
fn tls_with_an_authority_of_ones_own_and_a_client_certificate() {
    let certificates = Certificates::make();
    for asks in [false, true] {
        let host = GitHost::start_with(Some(certificates.server(asks)));
        let repo = host.repository("app");
        repo.write("a.yaml", "one");
        repo.commit("first", "main");
        let mut request = request(&host.url("app"));
        let error = Client::new().fetch(&request).expect_err("an unknown authority").to_string();
        assert!(error.contains("connecting to the host") && error.contains("UnknownIssuer"), "{error}");
        let (ca, crt, key) = (
            certificates.read("ca.crt"),
            certificates.read("client.crt"),
            certificates.read("client.key"),
        );
        request.auth = auth(&request.url, &[("ca.crt", &ca)]);
        assert_eq!(Client::new().fetch(&request).is_err(), asks, "a certificate is asked for");
        request.auth = auth(&request.url, &[("ca.crt", &ca), ("tls.crt", &crt), ("tls.key", &key)]);
        assert!(Client::new().fetched(&request).moved);
    }
}

#[test]
fn through_a_proxy() {
    let host = GitHost::start();
    let repo = host.repository("app");
    repo.write("a.yaml", "one");
    repo.commit("first", "main");
    // For plain http a proxy gets whole URLs, so the host can play one for itself.
    let mut request = request("http://git.invalid/app.git");
    let data = [("address", format!("http://localhost:{}", host.port)), ("username", "u".into()),
        ("password", "p".into())];
    let data = data.into_iter().map(|(key, value)| (key.to_owned(), value.into_bytes())).collect();
    request.proxy = Some(proxy("ns/proxy", &data).expect("a proxy"));
    assert!(Client::new().fetched(&request).moved);
    assert!(host.seen().iter().all(|seen| seen.headers.contains_key("proxy-authorization")));
}

#[test]
fn a_push_moves_only_what_is_new() {
    let host = GitHost::start();
    let repo = host.repository("app");
    for i in 0..200 {
        let text: String = (0..200).map(|k| format!("{i}-{}\n", k * 7919 % 10007)).collect();
        repo.write(&format!("dir-{i}/file.yaml"), text);
    }
    let first = repo.commit("first", "main");
    let mut client = Client::new();
    let mut request = request(&host.url("app"));
    let tree = client.fetched(&request).tree;
    let whole = std::fs::metadata(&client.packs()[0]).expect("a pack").len();
    host.seen();
    repo.write("dir-7/file.yaml", "changed");
    repo.commit("second", "main");
    request.known = Some(format!("main@sha1:{first}"));
    client.reopen();
    let new = client.fetched(&request);
    let moved: usize = host.seen().iter().map(|seen| seen.answered).sum();
    assert!(moved < 10_000 && whole > 50_000, "{moved} of {whole}");
    assert_eq!(&*new.tree.read("dir-7/file.yaml").expect("a file"), b"changed");
    let id = |tree: &hence::sources::tree::SourceTree, path: &str| tree.entry(path).expect("readable");
    assert_eq!(id(&new.tree, "dir-8"), id(&tree, "dir-8"));
    assert_ne!(id(&new.tree, "dir-7"), id(&tree, "dir-7"));
    // Another source of the same repository finds it here.
    request.known = None;
    assert!(!client.fetched(&request).moved);
}

#[test]
fn stores_stay_bounded_and_kept_trees_readable() {
    let host = GitHost::start();
    let repo = host.repository("app");
    repo.write("stable.yaml", "stable");
    repo.commit("stable", "stable");
    let client = Client::new();
    let mut stable = request(&host.url("app"));
    stable.reference = reference("branch", "stable");
    let repository = RepositoryId::of(&stable.url, "");
    let kept = client.fetched(&stable).tree.id();
    let main = request(&host.url("app"));
    let mut last = ContentId::new("");
    for i in 0..40 {
        repo.write("a.yaml", format!("{i}"));
        repo.commit("next", "main");
        last = client.fetched(&main).tree.id();
    }
    let keep = |tree: &ContentId| KeptTree { repository: repository.clone(), tree: tree.clone() };
    client.store.collect(&[keep(&kept), keep(&last)]).expect("a store");
    assert!(client.store.tree(&repository, &kept).is_ok(), "the older epoch is still needed");
    client.store.collect(&[keep(&last)]).expect("a store");
    assert!(client.store.tree(&repository, &kept).is_err());
    assert!(client.store.tree(&repository, &last).is_ok());
    assert!(client.packs().len() <= 32, "{}", client.packs().len());
    client.store.collect(&[]).expect("a store");
    assert!(super::files(&client.root()).is_empty());
    assert!(client.fetched(&main).moved, "what was removed is fetched again");
}

#[test]
fn sha256_repositories() {
    let host = GitHost::start();
    let repo = Repository::create_with(host.root.path(), "app", &["--object-format=sha256"]);
    repo.write("a.yaml", "one");
    let id = repo.commit("first", "main");
    let new = Client::new().fetched(&request(&host.url("app")));
    assert_eq!(new.revision, format!("main@sha256:{id}"));
}

#[test]
fn links_submodules_and_modes_are_seen() {
    let host = GitHost::start();
    let repo = host.repository("app");
    repo.write("run.sh", "#!/bin/sh");
    repo.write("dir/a.yaml", "one");
    std::os::unix::fs::symlink("dir/a.yaml", repo.work().join("link.yaml")).expect("a link");
    repo.git(&["add", "-A"]);
    repo.git(&["update-index", "--chmod=+x", "run.sh"]);
    let id = "0123456789abcdef0123456789abcdef01234567";
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{id},sub")]);
    repo.git(&["commit", "-q", "-m", "all"]);
    repo.git(&["push", "-q", "origin", "HEAD:refs/heads/main"]);
    let tree = Client::new().fetched(&request(&host.url("app"))).tree;
    assert!(tree.is_executable("run.sh") && !tree.is_executable("dir/a.yaml"));
    let link = hence::model::Entry::Symlink { target: "dir/a.yaml".to_owned() };
    assert_eq!(tree.entry("link.yaml").expect("readable"), Some(link));
    assert_eq!(tree.why_absent("sub/x").expect("a submodule").path, "sub");
    let view = tree.filtered(&tree.ignore_rules(None).expect("readable"));
    assert_eq!(view.entry("link.yaml").expect("readable"), None);
    assert!(view.why_absent("link.yaml").is_some());
}
