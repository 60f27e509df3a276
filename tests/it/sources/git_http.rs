//! Git over http and https: references, credentials, redirects, proxies, what is moved and what
//! not.

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
use crate::support::git::ProxyHost;
use crate::support::git::Repository;
use crate::support::git::run;

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
    let on_main = GitReference { branch: Some("main".into()), ..reference("commit", &first) };
    #[rustfmt::skip]
    let cases = [
        (reference("branch", "main"),              "main@",                    &first,  "one"),
        (reference("branch", "feature/x"),         "feature/x@",               &second, "two"),
        (reference("tag", "v1.0.0"),               "v1.0.0@",                  &first,  "one"),
        (reference("tag", "v1.1.0"),               "v1.1.0@",                  &second, "two"),
        (reference("semver", ">=1.0.0"),           "v1.1.0@",                  &second, "two"),
        (reference("semver", "1.0.x"),             "v1.0.0@",                  &first,  "one"),
        (reference("name", "refs/heads/main"),     "refs/heads/main@",         &first,  "one"),
        (reference("name", "refs/pull/1/head"),    "refs/pull/1/head@",        &second, "two"),
        (reference("name", "refs/tags/v1.0.0^{}"), "refs/tags/v1.0.0^{}@",     &first,  "one"),
        (reference("commit", &first),              "",                         &first,  "one"),
        (on_main,                                  "main@",                    &first,  "one"),
    ];
    for old_protocol in [false, true] {
        host.behave(Behaviour { old_protocol, ..Behaviour::default() });
        for (reference, name, id, content) in &cases {
            let revision = format!("{name}sha1:{id}");
            let client = Client::new();
            let mut request = request(&host.url("app"));
            request.reference = reference.clone();
            let new = client.fetched(&request);
            assert_eq!(new.revision, revision, "old protocol: {old_protocol}");
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
    let base = host.url("");
    let base = base.trim_end_matches(".git");
    let found: Vec<String> = cases
        .into_iter()
        .map(|(name, reference)| {
            let mut request = request(&host.url(name));
            request.reference = reference;
            let error = shown(&Client::new().fetch(&request).expect_err(name));
            error.replace(base, "BASE/").replace(missing, "ID").replacen(": ", "\n  ", 1)
        })
        .collect();
    insta::assert_snapshot!(found.join("\n"), @r#"
    sources::git::reference_not_found
      unable to clone 'BASE/app.git': couldn't find remote ref "refs/heads/none"
    sources::git::reference_not_found
      unable to clone 'BASE/app.git': couldn't find remote ref "refs/tags/none"
    sources::git::name_not_found
      unable to resolve ref 'refs/none' to a specific commit
    sources::git::no_version
      no match found for semver: >=1
    sources::git::semver
      semver parse error: improper constraint: "not a range"
    sources::git::commit_not_found
      unable to resolve commit object for 'ID': object not found
    sources::git::repository_not_found
      unable to clone: repository not found: git repository: 'BASE/none.git'
    sources::git::empty_repository
      git repository is empty
    sources::git::repository_not_found
      unable to clone: remote repository is empty: git repository: 'BASE/empty.git'
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
        let asks = guard.clone();
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
        let client = Client::new();
        assert!(client.fetched(&request).moved);
        for path in super::files(&client.root()) {
            let bytes = std::fs::read(&path).expect("readable");
            let found = bytes.windows(6).any(|window| window == b"canary");
            assert!(!found, "{} holds a credential", path.display());
        }
        let with_user = url.replace("://", "://ada:canary@");
        request.auth = auth(&with_user, &[]);
        request.url = with_user;
        let result = Client::new().fetch(&request);
        assert!(result.is_ok() || matches!(asks, Guard::Bearer(_)));
        assert!(!format!("{result:?} {request:?}").contains("canary"));
    }
    host.behave(Behaviour { status: Some(403), ..Behaviour::default() });
    let mut held = request(&url);
    held.known = Some("main@sha1:0".into());
    let error = Client::new().fetch(&held).expect_err("forbidden");
    assert_eq!(
        error.to_string(),
        format!("unable to list remote for '{url}': authorization failed")
    );
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
        assert!(
            error.contains("connecting to the host") && error.contains("UnknownIssuer"),
            "{error}"
        );
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

pub(crate) fn proxy_of(scheme: &str, port: u16, password: &str) -> Option<hence::sources::Proxy> {
    let address = format!("{scheme}://localhost:{port}");
    let data = [("address", address.as_str()), ("username", "ada"), ("password", password)];
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
    Some(proxy("ns/proxy", &data.collect()).expect("a proxy"))
}

#[test]
fn through_a_proxy() {
    let certificates = Certificates::make();
    let hosts = [GitHost::start(), GitHost::start_with(Some(certificates.server(false)))];
    let proxy = ProxyHost::start();
    for (host, scheme) in [(&hosts[0], "socks5"), (&hosts[1], "socks5"), (&hosts[1], "http")] {
        let name = format!("app-{scheme}");
        let repo = host.repository(&name);
        repo.write("a.yaml", "one");
        repo.commit("first", "main");
        let mut request = request(&host.url(&name));
        request.auth = auth(&request.url, &[("ca.crt", &certificates.read("ca.crt"))]);
        request.proxy = proxy_of(scheme, proxy.port, "pass");
        assert!(Client::new().fetched(&request).moved);
        let reached = proxy.reached();
        let ends = format!(":{}", host.port);
        assert!(!reached.is_empty() && reached.iter().all(|at| at.ends_with(&ends)), "{reached:?}");
        request.proxy = proxy_of(scheme, proxy.port, "canary");
        let error = shown(&Client::new().fetch(&request).expect_err("a wrong password"));
        assert!(error.starts_with("sources::git::clone > sources::net::io"), "{error}");
        assert!(!error.contains("canary") && proxy.reached().is_empty(), "{error}");
    }
    // For plain http an HTTP proxy gets whole URLs, so a host can play one for itself.
    let mut request = request("http://git.invalid/app-socks5.git");
    request.proxy = proxy_of("http", hosts[0].port, "pass");
    hosts[0].seen();
    assert!(Client::new().fetched(&request).moved);
    assert!(hosts[0].seen().iter().all(|seen| seen.headers.contains_key("proxy-authorization")));
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
    let moved: usize = host.seen().iter().map(|seen| seen.answer.len()).sum();
    assert!(moved < 10_000 && whole > 50_000, "{moved} of {whole}");
    assert_eq!(&*new.tree.read("dir-7/file.yaml").expect("a file"), b"changed");
    let id =
        |tree: &hence::sources::tree::SourceTree, path: &str| tree.entry(path).expect("readable");
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
fn a_host_that_offers_what_we_do_not_use() {
    let host = GitHost::start();
    let repo = host.repository("app");
    repo.write("a.yaml", "one");
    repo.commit("first", "main");
    for key in ["advertiseSidebandAll", "allowFilter", "allowRefInWant", "advertiseBundleURIs"] {
        run("git", &["config", &format!("uploadpack.{key}"), "true"], &repo.bare);
    }
    let client = Client::new();
    assert!(client.fetched(&request(&host.url("app"))).moved);
    repo.write("a.yaml", "two");
    repo.commit("second", "main");
    let tree = client.fetched(&request(&host.url("app"))).tree;
    assert_eq!(&*tree.read("a.yaml").expect("a file"), b"two");
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
    assert_eq!(tree.left_out("sub/x"), Some(("sub", &hence::model::LeftOut::Submodule)));
    let view = tree.filtered(&tree.ignore_rules(None).expect("readable"));
    assert_eq!(view.entry("link.yaml").expect("readable"), None);
    assert!(view.left_out("link.yaml").is_some());
}

#[test]
fn a_commit_behind_the_head() {
    let host = GitHost::start();
    let repo = host.repository("app");
    repo.write("a.yaml", "one");
    let first = repo.commit("first", "main");
    repo.write("a.yaml", "two");
    repo.commit("second", "main");
    for old_protocol in [false, true] {
        host.behave(Behaviour { old_protocol, ..Behaviour::default() });
        let mut request = request(&host.url("app"));
        request.reference = reference("commit", &first);
        let client = Client::new();
        assert_eq!(client.fetched(&request).revision, format!("sha1:{first}"));
        request.reference = reference("branch", "main");
        let tree = client.fetched(&request).tree;
        assert_eq!(&*tree.read("a.yaml").expect("a file"), b"two");
    }
}

#[test]
fn what_an_interrupted_fetch_left_is_removed() {
    let host = GitHost::start();
    let repo = host.repository("app");
    repo.write("a.yaml", "one");
    repo.commit("first", "main");
    let mut client = Client::new();
    let first = client.fetched(&request(&host.url("app")));
    let packs = client.packs()[0].parent().expect("a directory").to_owned();
    for name in [".tmpA1b2", "pack-0.pack", "pack-1.idx"] {
        std::fs::write(packs.join(name), "cut").expect("a file");
    }
    client.reopen();
    assert_eq!(std::fs::read_dir(&packs).expect("a directory").count(), 2);
    let again = client.fetched(&request(&host.url("app")));
    assert!(!again.moved && again.tree.id() == first.tree.id(), "what was whole is still there");
}

#[test]
fn on_a_blocking_thread_of_a_runtime() {
    let host = GitHost::start();
    let repo = host.repository("app");
    repo.write("a.yaml", "one");
    repo.commit("first", "main");
    let request = request(&host.url("app"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let fetch =
        async { tokio::task::spawn_blocking(move || Client::new().fetched(&request)).await };
    assert!(runtime.block_on(fetch).expect("no panic").moved);
}
