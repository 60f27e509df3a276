//! What operators touch: probes, metrics, rule files that change, questions from afar.

use super::proxied::asked_through_the_api_server;
use super::world::World;
use super::world::map;
use crate::support::cluster;
use crate::support::git::run;
use crate::support::serve::free_port;
use crate::support::wait;
use crate::support::workplace::Daemon;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::ListParams;
use kube::api::ObjectMeta;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use serde_json::Value;
use serde_json::json;
use std::path::Path;

/// hence's own namespace.
const SPACE: &str = "flux-system";
const FREEZE: &str = "[mine/freeze]\nfreeze(U, \"a release is on\") :- unit(U, _).\n";
/// Mistakes: file, code, where, and what next.
const MISTAKES: &[[&str; 4]] = &[
    [
        "[mine/freeze]\nfreeze(U, \"a release is on\") :- unti(U, _).\n",
        "rules::unknown_relation",
        "mine.dl:2",
        "did you mean",
    ],
    [
        "[mine/freeze]\nfreeze(U, \"one\") :- unit(U, _) unit(U, _).\n",
        "rules::syntax",
        "mine.dl:2",
        "",
    ],
    [
        "/// One.\n.decl one(u: Unit)\n/// Two.\n.decl two(u: Unit)\n[mine/one] one(U) :- unit(U, _), \
         !two(U).\n[mine/two] two(U) :- unit(U, _), !one(U).\n",
        "rules::negative_cycle",
        "mine.dl:",
        "",
    ],
];

/// Code and text of the answer.
async fn get(url: &str) -> Option<(u16, String)> {
    cluster::trust_ring();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(url).send().await.ok()?;
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

async fn metric(base: &str, name: &str) -> Option<f64> {
    let (_, text) = get(&format!("{base}/metrics")).await?;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")))?;
    line.parse().ok()
}

/// hence's own namespace, with the account whose tokens count and another one.
async fn make_accounts(world: &World) {
    let name = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata: name(SPACE), ..Namespace::default() };
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces.create(&PostParams::default(), &namespace).await.expect("the server takes it");
    let accounts: Api<ServiceAccount> = Api::namespaced(world.client.clone(), SPACE);
    for account in ["hence-reader", "other"] {
        let account = ServiceAccount { metadata: name(account), ..ServiceAccount::default() };
        accounts.create(&PostParams::default(), &account).await.expect("the server takes it");
    }
}

#[tokio::test]
async fn rules_probes_and_remote_questions() {
    let mut world = World::alone("operated").await;
    let rules = world.site.workplace.path("rules");
    std::fs::create_dir(&rules).expect("the folder is ours");
    std::fs::write(rules.join("mine.dl"), FREEZE).expect("the folder is ours");
    let (port, dir) = (free_port(), rules.display().to_string());
    let listen = format!("0.0.0.0:{port}");
    let base = format!("http://127.0.0.1:{port}");
    make_accounts(&world).await;
    let flags = ["--listen", &listen, "--rules", &dir, "--digest-key-secret", "hence-digest-key"];
    world.site.own().start(&flags);
    let ready = || async { get(&format!("{base}/readyz")).await.filter(|(code, _)| *code == 200) };
    wait::until("hence to be ready", ready).await;
    assert_eq!(get(&format!("{base}/healthz")).await, Some((200, "ok\n".to_owned())));
    assert_eq!(metric(&base, "hence_rules_rejected").await, Some(0.0));

    let revision = world.push_files(&[("app/map.yaml", &map("a", "1"))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.shows("app", "False", "a release is on").await;
    broken_rules_change_nothing(&world, &base, &rules.join("mine.dl")).await;
    assert!(world.map("a").await.is_none(), "frozen still");

    std::fs::remove_file(rules.join("mine.dl")).expect("it is there");
    world.ready("app", &revision).await;
    assert_eq!(metric(&base, "hence_rules_rejected").await, Some(0.0));
    assert!(world.site.log().contains("rules are in force"));

    asked_from_afar(&world, &base).await;
    asked_through_the_api_server(&world, SPACE, port).await;
    // Nothing is lost by rules that came and went: the next run knows what this one did.
    world.site.own().stop().await;
    world.site.own().start(&flags);
    wait::until("hence to be ready again", ready).await;
    // Ready when its own kinds are listed; those of the objects follow.
    let (site, namespace) = (&*world.site, world.namespace.as_str());
    let why = || async move {
        let why = site.ask(&["why", "cm/a", "-n", namespace]);
        (why.contains("EXISTS") && why.contains("proof")).then_some(())
    };
    wait::until("the answer of the next run", why).await;
}

async fn broken_rules_change_nothing(world: &World, base: &str, file: &Path) {
    let events: &Api<Event> = &Api::all(world.client.clone());
    let about = &ListParams::default().fields("reason=RulesRejected");
    for [text, code, place, next] in MISTAKES {
        std::fs::write(file, text).expect("the folder is ours");
        let rejected =
            || async { metric(base, "hence_rules_rejected").await.filter(|n| *n == 1.0) };
        wait::until("the broken rules to be rejected", rejected).await;
        let message = wait::until(&format!("an event with {code}"), || async move {
            let list = events.list(about).await.expect("the server answers").items;
            let event = list.into_iter().find(|event| {
                event.type_.as_deref() == Some("Warning")
                    && event.involved_object.kind.as_deref() == Some("Namespace")
                    && event.message.as_deref().is_some_and(|message| message.contains(code))
            });
            event.and_then(|event| event.message)
        })
        .await;
        let log = world.site.log();
        for part in [code, place, next] {
            assert!(message.contains(part), "{part:?} is not in {message}");
            assert!(log.contains(part), "{part:?} is not in {log}");
        }
        world.shows("app", "False", "a release is on").await;
        std::fs::write(file, FREEZE).expect("the folder is ours");
        let accepted =
            || async { metric(base, "hence_rules_rejected").await.filter(|n| *n == 0.0) };
        wait::until("the rules to be taken", accepted).await;
    }
}

async fn asked_from_afar(world: &World, base: &str) {
    let place = &world.site.workplace;
    let n = world.namespace.as_str();
    let why = place.hence(&["why", "cm/a", "-n", n, "--address", base]).expect_success();
    assert!(why.contains("EXISTS"), "{why}");
    let list = place.hence(&["audit", "list", "--writes", "--address", base]).expect_success();
    assert!(list.contains("apply"), "{list}");
    place.hence(&["audit", "verify", "--address", base]).expect_success();
    let file = place.path("journal.jsonl");
    let file = file.to_str().expect("paths here are UTF-8");
    let export = place.hence(&["audit", "export", file, "--address", base]).expect_success();
    assert!(export.starts_with("OK"), "{export}");
    place.hence(&["audit", "verify", "--file", file]).expect_success();

    // Nobody else is let in: no token, no token of another account, no token for somebody else.
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let question = json!({"ask": "pending"}).to_string();
    let ask = |token: Option<String>| {
        let request =
            client.post(format!("{base}/v1/ask")).header("Content-Type", "application/json");
        let request = request.body(question.clone());
        match token {
            Some(token) => request.header("X-Hence-Token", token),
            None => request,
        }
    };
    let token = |account: &'static str, audience: &'static str| async move {
        let accounts: Api<ServiceAccount> = Api::namespaced(world.client.clone(), SPACE);
        let request = serde_json::from_value(json!({
            "spec": {"audiences": [audience]}, "metadata": {},
        }));
        let request = request.expect("a well-formed request");
        let made = accounts.create_token_request(account, &PostParams::default(), &request).await;
        let status = made.expect("the server gives tokens").status.expect("a status");
        status.token.expect("a token")
    };
    let code = |answer: reqwest::Response| answer.status().as_u16();
    assert_eq!(code(ask(None).send().await.expect("an answer")), 401);
    let strangers = [
        "nonsense".to_owned(),
        token("other", "hence").await,
        token("hence-reader", "https://kubernetes.default.svc").await,
    ];
    for token in strangers {
        assert_eq!(code(ask(Some(token)).send().await.expect("an answer")), 401);
    }
    let good = token("hence-reader", "hence").await;
    assert_eq!(code(ask(Some(good)).send().await.expect("an answer")), 200);
}

/// Starts a daemon that takes part in leader election, and waits until it is ready.
async fn lead(world: &World, base: &str) -> Daemon {
    lead_with(world, base, &[]).await
}

async fn lead_with(world: &World, base: &str, more: &[&str]) -> Daemon {
    let place = &world.site.workplace;
    let (state, config) = (place.state(), world.site.cluster.kubeconfig());
    let (state, config) = (state.display().to_string(), config.display().to_string());
    let listen = base.trim_start_matches("http://");
    let args = ["run", "--state", &state, "--kubeconfig", &config, "--listen", listen];
    let daemon = place.start(&[&args, more].concat());
    let ready = || async { get(&format!("{base}/readyz")).await.filter(|(code, _)| *code == 200) };
    wait::until("hence to be ready", ready).await;
    daemon
}

#[tokio::test]
async fn a_server_that_is_lost_is_told_until_it_is_back() {
    let world = World::alone("lost-server").await;
    make_accounts(&world).await;
    let base = format!("http://127.0.0.1:{}", free_port());
    let timing = [
        "--leader-election-lease-duration=4s",
        "--leader-election-renew-deadline=3s",
        "--leader-election-retry-period=500ms",
    ];
    let daemon = lead_with(&world, &base, &timing).await;
    let state = world.site.workplace.state().display().to_string();
    let pending = || world.site.workplace.hence(&["pending", "--state", &state]);
    assert_eq!(pending().code, Some(0));
    world.site.cluster.stop(cluster::Part::ApiServer);
    let lost = || async { get(&format!("{base}/readyz")).await.filter(|(code, _)| *code == 503) };
    let (_, awaited) = wait::until("the loss to be told", lost).await;
    assert!(awaited.starts_with("waiting for the leases: they could not be renewed"), "{awaited}");
    assert_eq!(metric(&base, "hence_ready").await, Some(0.0));
    let said = pending();
    let partial = "  partial  this daemon still waits for the leases";
    assert!(said.code == Some(2) && said.stdout.contains(partial), "{said:?}");
    world.site.cluster.restart(cluster::Part::ApiServer);
    let ready = || async { get(&format!("{base}/readyz")).await.filter(|(code, _)| *code == 200) };
    wait::until("hence to be ready again", ready).await;
    assert_eq!((metric(&base, "hence_ready").await, pending().code), (Some(1.0), Some(0)));
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn a_journal_that_was_rolled_back_is_reported() {
    let world = World::alone("rolled-back").await;
    make_accounts(&world).await;
    let base = format!("http://127.0.0.1:{}", free_port());
    assert!(lead(&world, &base).await.terminate().await.success());
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), SPACE);
    for name in ["kustomize-controller", "source-controller"] {
        let lease = leases.get(&format!("{name}-leader-election")).await.expect("it was held");
        let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        assert_eq!(holder, "", "it is given back, so that nobody waits for it");
        let noted = lease.metadata.annotations.unwrap_or_default();
        assert!(noted.contains_key("hence.dev/journal-head"), "{noted:?}");
    }

    let (journal, older) = (world.site.workplace.state().join("journal"), "journal-before");
    let older = world.site.workplace.path(older);
    let copy = |from: &Path, to: &Path| {
        let (from, to) = (from.display().to_string(), to.display().to_string());
        run("cp", &["-r", &from, &to], Path::new("/"));
    };
    copy(&journal, &older);
    let second = lead(&world, &base).await;
    assert!(!second.log().contains("rolled back"), "{}", second.log());
    assert!(second.terminate().await.success());
    std::fs::remove_dir_all(&journal).expect("it is ours");
    copy(&older, &journal);
    let third = lead(&world, &base).await;
    assert!(third.log().contains("it was lost or rolled back"), "{}", third.log());
    let told = || async { metric(&base, "hence_state_losses").await.filter(|n| *n == 1.0) };
    wait::until("the loss to be counted", told).await;
    let events: &Api<Event> = &Api::all(world.client.clone());
    let about = &ListParams::default().fields("reason=StateLost,type=Warning");
    let message = wait::until("an event that tells of the loss", || async move {
        let list = events.list(about).await.expect("the server answers").items;
        list.into_iter().find_map(|event| event.message)
    })
    .await;
    for part in ["[audit::rolled_back]", "; the journal was lost", "-leader-election"] {
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
    let state = world.site.workplace.state().display().to_string();
    for (verb, partial) in
        [("verify", "  partial  records from before "), ("list", "partial: records")]
    {
        let said = world.site.workplace.hence(&["audit", verb, "--state", &state]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stdout.contains(partial), "{said:?}");
    }
    let check = world.site.ask(&["check"]);
    assert!(check.contains("⚠️ journal: noted at "), "{check}");
    assert!(check.contains("is not in this journal, which ends at record"), "{check}");
    assert!(third.terminate().await.success());
    who_waits_for_a_lease_claims_to_know_nothing(&world, &leases).await;
}

/// Another controller holds a lease: all that is told is from before, and says so.
async fn who_waits_for_a_lease_claims_to_know_nothing(world: &World, leases: &Api<Lease>) {
    let name = "kustomize-controller-leader-election";
    let spec = json!({"spec": {"holderIdentity": "kustomize-controller-0",
        "leaseDurationSeconds": 3600, "renewTime": "2026-01-02T03:04:05.000000Z"}});
    let held = leases.patch(name, &PatchParams::default(), &Patch::Merge(spec)).await;
    held.expect("the server takes it");
    let place = &world.site.workplace;
    let (state, config) = (place.state(), world.site.cluster.kubeconfig());
    let (state, config) = (state.display().to_string(), config.display().to_string());
    let daemon = place.start(&["run", "--state", &state, "--kubeconfig", &config]);
    daemon.logged("waiting for lease").await;
    let waits = format!("waits for the leases: {name} is held by kustomize-controller-0");
    for question in
        ["why cm/x", "why-not ready ks/x", "owners cm/x", "pending", "why cm/x --field data"]
    {
        let args: Vec<&str> = question.split(' ').chain(["--state", &state]).collect();
        let said = place.hence(&args);
        assert_eq!(said.code, Some(2), "{question}: {said:?}");
        assert!(said.stdout.contains(&format!("  partial  this daemon still {waits}")), "{said:?}");
        let said = place.hence(&[&args[..], &["-o", "json"]].concat());
        let answer: Value = serde_json::from_str(&said.stdout).expect("it is JSON");
        assert_eq!(answer["verdict"], "unknown", "{question}");
        assert_eq!(answer["complete"], false, "{question}");
    }
    let plan = place.hence(&["plan", "--state", &state]);
    assert_eq!(plan.code, Some(2), "{plan:?}");
    assert!(plan.stdout.contains(&waits), "{plan:?}");
    let pruned = place.hence(&["why", "pruned", "cm/x", "--state", &state]);
    assert_eq!(pruned.code, Some(2), "the journal was rolled back: {pruned:?}");
    let log = daemon.log();
    assert!(daemon.terminate().await.success(), "it stops before it leads: {log}");
    let other = leases.get("source-controller-leader-election").await.expect("it was held");
    let holder = other.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
    assert_eq!(holder, "", "what was held already is given back: {log}");
}
