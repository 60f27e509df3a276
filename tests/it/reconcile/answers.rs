//! Every answer as people read it, from a running daemon, with the API server down, and from the
//! files of a stopped one.
//!
//! The answers stand together in one transcript, `snapshots/`; names that change from run to run
//! are masked.

use super::world::World;
use super::world::map;
use crate::support::cluster::Part;
use crate::support::wait;
use hence::actions::PlanReport;
use hence::daemon::journal_view::AuditCheck;
use hence::daemon::journal_view::AuditList;
use hence::daemon::journal_view::AuditRecord;
use hence::explain::Answer;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::DeleteParams;
use kube::api::ObjectMeta;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use regex::Regex;
use serde_json::json;

/// What differs from run to run, and what stands for it.
const MASKS: &[(&str, &str)] = &[
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}", "UID"),
    (r"sha256:[\da-f]{64}", "DIGEST"),
    (r"\b[\da-f]{64}\b", "DIGEST"),
    (r"\b[\da-f]{40}\b", "COMMIT"),
    (r"P-[\da-f]{6,}", "P-ID"),
    (r"generation \d+", "generation N"),
    (r"resourceVersion \d+", "resourceVersion N"),
    (r"\d+ (records|actions|without outcome|rows searched)", "N $1"),
    (r"chain \d+\.\.\d+", "chain N..N"),
    (r"ended, after [\d.hms]+", "ended, after A WHILE"),
    (r"\.dl:\d+", ".dl:N"),
    (r"the watch of .*, which fails since TIME", "WATCHES"),
];

struct Transcript {
    namespace: String,
    masks: Vec<(Regex, &'static str)>,
}

impl Transcript {
    fn new(namespace: &str) -> Self {
        let masks = MASKS.iter().map(|(pattern, name)| {
            (Regex::new(pattern).expect("the patterns here are well-formed"), *name)
        });
        Self { namespace: namespace.to_owned(), masks: masks.collect() }
    }

    fn mask(&self, text: &str) -> String {
        let text = text.replace(&self.namespace, "shop");
        self.masks
            .iter()
            .fold(text, |text, (pattern, name)| pattern.replace_all(&text, *name).into_owned())
    }

    /// The question, its answer, and how the command ended.
    fn entry(&self, world: &World, question: &str) -> String {
        let args = self.args(world, question);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let said = world.site.workplace.hence(&args);
        let end = said.code.map_or_else(|| "by a signal".to_owned(), |code| code.to_string());
        let text = format!("{}{}", said.stdout, said.stderr);
        self.mask(&format!("$ hence {question}\n{text}exit {end}\n"))
    }

    fn args(&self, world: &World, question: &str) -> Vec<String> {
        let state = world.site.workplace.state();
        let mut args: Vec<String> = question.split(' ').map(str::to_owned).collect();
        args.extend(["--state".to_owned(), state.display().to_string()]);
        args
    }

    /// The answer as JSON.
    fn json(&self, world: &World, question: &str) -> String {
        let mut args = self.args(world, question);
        args.extend(["-o".to_owned(), "json".to_owned()]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        world.site.workplace.hence(&args).stdout
    }

    fn all(&self, world: &World, questions: &[String]) -> String {
        let entries: Vec<String> = questions.iter().map(|q| self.entry(world, q)).collect();
        entries.join("\n")
    }
}

/// Files: a unit that works, one that wants an object of it, and a chain that a broken build holds.
async fn push_all(world: &World) -> String {
    let two = format!("{}---\n{}", map("motd", "1"), map("banner", "1"));
    world
        .push_files(&[
            ("app/two.yaml", &two),
            ("app/old.yaml", &map("old", "1")),
            ("other/banner.yaml", &map("banner", "2")),
            ("certs/kustomization.yaml", "resources:\n- issuer.yaml\n- missing.yaml\n"),
            ("certs/issuer.yaml", &map("issuer", "1")),
            ("db/db.yaml", &map("db", "1")),
            ("api/api.yaml", &map("api", "1")),
            ("web/web.yaml", &map("web", "1")),
        ])
        .await
}

async fn settle(world: &World) {
    let quiet = || async move {
        let plan = world.site.ask(&["plan"]);
        plan.contains(" 0 in all").then_some(())
    };
    wait::until("nothing to be left to do", quiet).await;
}

/// What is asked of the objects in this namespace.
fn questions(n: &str, first: &str, commit: &str) -> Vec<String> {
    vec![
        format!("why cm/motd -n {n}"),
        format!("why cm/nothing -n {n}"),
        format!("why cm/old -n {n}"),
        format!("why ks/app -n {n}"),
        format!("why ks/certs -n {n}"),
        format!("why gitrepo/repo -n {n}"),
        format!("why pruned cm/old -n {n}"),
        format!("why pruned cm/motd -n {n}"),
        format!("why-not ready ks/app -n {n}"),
        format!("why-not ready ks/web -n {n}"),
        format!("why-not ready ks/other -n {n}"),
        format!("why-not ready ks/certs -n {n}"),
        format!("why-not ready gitrepo/repo -n {n}"),
        format!("why-not live {commit} --on cm/motd -n {n}"),
        format!("why-not live {first} --on cm/motd -n {n}"),
        format!("why-not live main --on cm/motd -n {n}"),
        format!("why-not live zzzz --on cm/motd -n {n}"),
        format!("why-not live deadbeef --on cm/motd -n {n}"),
        format!("owners cm/motd -n {n}"),
        format!("owners cm/banner -n {n}"),
        "pending".to_owned(),
        format!("audit list --writes --unit {n}/app"),
        "audit verify".to_owned(),
        "audit show P-00000000".to_owned(),
        "plan".to_owned(),
    ]
}

/// Questions that cannot be understood.
fn mistakes(n: &str) -> Vec<String> {
    vec![
        format!("why foo/nope -n {n}"),
        format!("why cm/motd -n {n} --field data["),
        format!("why-not ready cm/motd -n {n}"),
        "audit show P-zzz".to_owned(),
    ]
}

#[tokio::test]
async fn every_answer_stands_with_and_without_servers() {
    let mut world = World::alone("answers").await;
    world.site.own().start(&["--leader-election-renew-deadline=3s"]);
    let first = push_all(&world).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &first).await;
    let after = |name: &str| json!({ "dependsOn": [{ "name": name }], "retryInterval": "1h" });
    world.unit("other", json!({ "retryInterval": "1h" })).await;
    world.unit("certs", json!({ "retryInterval": "1h" })).await;
    for (name, needs) in [("db", "certs"), ("api", "db"), ("web", "api")] {
        world.unit(name, after(needs)).await;
    }
    let second = world.push_without(&["app/old.yaml"]).await;
    world.ready("app", &second).await;
    world.owns(&["banner", "motd"]).await;
    world.shows("other", "False", "already managed").await;
    world.shows("web", "False", "dependency").await;
    settle(&world).await;

    let script = Transcript::new(&world.namespace);
    let n = world.namespace.clone();
    let commit = second.rsplit_once(':').expect("a revision").1;
    let listed = world.site.ask(&["audit", "list", "--writes"]);
    let deleted = listed.lines().find(|line| line.contains("delete ")).expect("one was pruned");
    let id = deleted.split("  ").nth(1).expect("a line has an id").to_owned();
    let (questions, mistakes) = (questions(&n, &first, commit), mistakes(&n));
    let everything = [&questions[..], &mistakes[..]].concat();
    let before: Vec<String> = everything.iter().map(|q| script.entry(&world, q)).collect();
    let told = before.join("\n");
    insta::assert_snapshot!("answers", told);
    check_json(&script, &world, &questions, &id);
    // The whole proof changes with the rules; its beginning and its end do not.
    let show = format!("audit show {id}");
    let shown = script.entry(&world, &show);
    let first = "TIME  P-ID  delete shop/app ConfigMap/shop/old  done: deleted\n  change   removal\n  \
                 revision main@sha1:COMMIT\n  because  delete ConfigMap/shop/old for shop/app   \
                 prune/act-delete (rules/actions.dl:N)\n";
    assert!(shown.contains(first) && shown.contains("next     hence audit verify"), "{shown}");
    let orphan = "shop/app owns ConfigMap/shop/old and no longer declares it   prune/dropped";
    assert!(shown.contains(orphan), "{shown}");

    // Git's answers end with the test's host; the API server ends here.
    world.host.behave(crate::support::git::Behaviour { status: Some(503), ..Default::default() });
    world.site.cluster.stop(Part::ApiServer);
    // What is not known any more is told, and nothing else is.
    let heard = |text: String| -> String {
        let is_known = |line: &&str| !line.contains(" yet: the watch of ");
        text.split_inclusive('\n').filter(is_known).collect()
    };
    let lost = || async { world.site.ask(&["plan"]).contains("partial").then_some(()) };
    wait::until("the loss of the API server to be told", lost).await;
    for (question, before) in everything.iter().zip(&before) {
        check_apart(question, &heard(script.entry(&world, question)), before, &mistakes);
    }
    assert_eq!(script.entry(&world, &show), shown);
    world.site.own().stop().await;
    let alone = script.all(&world, &everything);
    let dated = "  as of    TIME: no daemon answers, and nothing later is known\n";
    let dated_plan = "as of TIME: no daemon answers, and nothing later is known\n";
    assert!(alone.matches(dated).count() > 10 && alone.contains(dated_plan), "{alone}");
    let alone = alone.replace(dated, "").replace(dated_plan, "");
    assert_eq!(heard(alone), told, "with the daemon stopped, too");
}

/// The answer with the API server down says what it said before, and what is lost.
fn check_apart(question: &String, now: &str, before: &str, mistakes: &[String]) {
    match () {
        () if question.starts_with("why foo/") => {
            assert!(now.contains("no kind `foo` is known") && now.contains(LOST), "{now}");
        }
        () if is_of_journal(question) || mistakes.contains(question) => {
            assert_eq!(now, before, "with the API server down");
        }
        () => assert_eq!(now, provisional(before), "with the API server down"),
    }
}

/// What the daemon waits for once the API server is gone.
const LOST: &str = "this daemon still waits for WATCHES";

/// Whether the journal answers, which lacks nothing.
fn is_of_journal(question: &str) -> bool {
    question.starts_with("audit") || question.starts_with("why pruned")
}

/// The same answer of a daemon that does not hear the cluster: it says so, and ends with 2.
fn provisional(entry: &str) -> String {
    let (asked, rest) = entry.split_once('\n').expect("an entry begins with its question");
    let (text, _) = rest.rsplit_once("exit ").expect("an entry ends with its code");
    if asked.ends_with(" plan") {
        let (first, rest) = text.split_once('\n').expect("a plan has a headline");
        return format!("{asked}\n{first}\npartial: {LOST}\n{rest}exit 2\n");
    }
    let (headline, rest) = text.split_once('\n').expect("an answer has a headline");
    format!("{asked}\nas far as is known: {headline}\n  partial  {LOST}\n{rest}exit 2\n")
}

/// JSON says the same as the text, in the shape of the committed schemas.
fn check_json(script: &Transcript, world: &World, questions: &[String], id: &str) {
    for question in questions.iter().filter(|q| !q.starts_with("audit") && *q != "plan") {
        let json = script.json(world, question);
        let answer: Answer = serde_json::from_str(&json).expect("it is an answer");
        let text = script.entry(world, question);
        let told = script.mask(&answer.to_text());
        assert!(text.contains(&told), "{question}:\n{text}\n{told}");
    }
    let list = script.json(world, "audit list --writes");
    let list: AuditList = serde_json::from_str(&list).expect("it is a list");
    assert!(list.actions.iter().any(|action| action.action == "delete"));
    let record = script.json(world, &format!("audit show {id}"));
    let record: AuditRecord = serde_json::from_str(&record).expect("it is a record");
    assert!(record.proof.iter().any(|step| step.conclusion.starts_with("orphan(")));
    let check: AuditCheck =
        serde_json::from_str(&script.json(world, "audit verify")).expect("it is a check");
    assert!(check.sound && check.problems.is_empty());
    let plan: PlanReport = serde_json::from_str(&script.json(world, "plan")).expect("it is a plan");
    assert_eq!(plan.version, "plan.v1");
}

/// Waits until the answer has all of these parts.
async fn answers(world: &World, question: &str, parts: &[&str]) {
    let args: Vec<&str> = question.split(' ').chain(["-n", &world.namespace]).collect();
    let asked = || async {
        let said = world.site.ask(&args);
        parts.iter().all(|part| said.contains(part)).then_some(())
    };
    wait::until(&format!("{question} to tell of {parts:?}"), asked).await;
}

#[tokio::test]
async fn what_was_left_or_changed_is_told() {
    let world = World::shared("left").await;
    let kept = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: kept\n  annotations: \
                {kustomize.toolkit.fluxcd.io/prune: disabled}\n";
    let first = world
        .push_files(&[
            ("app/kept.yaml", kept),
            ("app/gone.yaml", &map("gone", "1")),
            ("app/a.yaml", &map("a", "1")),
        ])
        .await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &first).await;
    let second = world.push_without(&["app/kept.yaml", "app/gone.yaml"]).await;
    world.ready("app", &second).await;
    let left = "let go of it at ";
    answers(&world, "why cm/kept", &[left, ": prune: disabled", "hence audit show P-"]).await;
    answers(&world, "why pruned cm/kept", &["NOT PRUNED: it was left in place", left]).await;
    answers(&world, "why cm/gone", &["WAS PRUNED ", "hence why pruned configmap/gone"]).await;
    world.maps().create(&PostParams::default(), &plain("gone")).await.expect("it is taken");
    answers(&world, "why pruned cm/gone", &["PRUNED ", "Kustomization"]).await;

    answers(&world, "why-not live main --on cm/a", &["LIVE: ", &second]).await;
    let (name, commit) = first.rsplit_once(':').expect("a revision");
    let short = format!("why-not live {name}:{} --on cm/a", &commit[..8]);
    answers(&world, &short, &["LIVE: ", &first, "that changed nothing of it"]).await;
    world.patch_unit("app", json!({ "suspend": true })).await;
    answers(&world, "why-not ready ks/app", &["SUSPENDED"]).await;
    let edit = Patch::Merge(json!({ "data": { "key": "by hand" } }));
    world.maps().patch("a", &PatchParams::default(), &edit).await.expect("it is taken");
    let live = format!("why-not live {commit} --on cm/a");
    answers(&world, &live, &["NOT LIVE: ", "data.key was changed by ", "is suspended"]).await;
    world.maps().delete("a", &DeleteParams::default()).await.expect("it is there");
    answers(&world, &live, &["NOT LIVE: ", "it is gone", "hence resume kustomization app"]).await;
}

/// A ConfigMap that is nobody's.
fn plain(name: &str) -> ConfigMap {
    let name = Some(name.to_owned());
    ConfigMap { metadata: ObjectMeta { name, ..Default::default() }, ..Default::default() }
}
