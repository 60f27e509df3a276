//! `hence check`: whether the cluster and the state directory are fit for the daemon.
//!
//! Lines are Flux's where Flux has them. Every line that begins with a failure mark makes the exit
//! code 1; warnings do not. A state directory that cannot be looked at makes it 2.

mod state;

use std::path::PathBuf;

use clap::Args;
use miette::Diagnostic;
use schemars::JsonSchema;
use semver::Version;
use serde::Serialize;

use crate::audit::Head;
use crate::cli::connect::ClusterArgs;
use crate::cli::definitions;
use crate::cli::error::CliError;
use crate::cli::manifests::permissions;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Form;
use crate::cli::output::Outcome;
use crate::cli::run::RECONCILED;
use crate::cluster::Cluster;
use crate::cluster::ClusterError;
use crate::cluster::Purpose;
use crate::cluster::write::AccessQuery;
use crate::cluster::write::WriteGate;
use crate::daemon::Unanswered;
use crate::daemon::lease_name;
use crate::daemon::noted_head;

/// The oldest server that Flux 2.9 takes.
const SERVER_MIN: Version = Version::new(1, 33, 0);
/// Exit code when the state directory cannot be looked at.
const UNKNOWN: u8 = 2;

/// What to check.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Only what an installation needs: server version and permissions
    #[arg(long)]
    pre: bool,
    /// Check the permissions of this service account of the namespace, not your own
    #[arg(long, value_name = "NAME")]
    service_account: Option<String>,
    /// Check this state directory too
    #[arg(long, value_name = "DIR", env = "HENCE_STATE")]
    state: Option<PathBuf>,
    /// The kinds that the daemon reconciles
    #[arg(long, value_delimiter = ',', default_value = "Kustomization,GitRepository",
        value_parser = RECONCILED)]
    kinds: Vec<String>,
    /// Text for people, or JSON
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// What was checked as JSON (`schemas/check.v1.json`).
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Checked {
    /// Always `check.v1`.
    version: &'static str,
    /// Whether nothing failed; warnings are no failures.
    passed: bool,
    /// What was found, in the order of the checks.
    findings: Vec<Finding>,
}

/// One thing that was found.
#[derive(Debug, Serialize, JsonSchema)]
struct Finding {
    /// What was being checked.
    section: String,
    /// How it is.
    verdict: Verdict,
    /// What was found.
    text: String,
    /// A stable code of what is wrong, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

/// The end of the journal as a lease tells it, of whoever held it last.
struct NotedHead {
    lease: String,
    head: Head,
}

/// How a thing that was checked is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// As it should be.
    Good,
    /// Worth a look, and no failure.
    Warning,
    /// The daemon will not work like this.
    Failure,
}

/// What was found so far; as text it is printed line by line.
#[derive(Debug, Default)]
struct Findings {
    form: Form,
    section: String,
    found: Vec<Finding>,
}

impl Findings {
    fn section(&mut self, text: &str) {
        text.clone_into(&mut self.section);
        if self.form == Form::Text {
            output::progress(output::ACTION, text);
        }
    }

    fn good(&mut self, text: &str) {
        self.note(Verdict::Good, output::SUCCESS, text);
    }

    fn warn(&mut self, text: &str) {
        self.note(Verdict::Warning, output::WARNING, text);
    }

    fn bad(&mut self, text: &str) {
        self.note(Verdict::Failure, output::FAILURE, text);
    }

    fn note(&mut self, verdict: Verdict, marker: &str, text: &str) {
        if self.form == Form::Text {
            output::progress(marker, text);
        }
        let section = self.section.clone();
        let (code, help) = (None, None);
        self.found.push(Finding { section, verdict, text: text.to_owned(), code, help });
    }

    /// A failure with its code and what helps.
    fn wrong(&mut self, about: &str, error: &impl Diagnostic) {
        let Unanswered { text, code, help } = Unanswered::of(error);
        self.bad(&format!("{about}{text}"));
        if self.form == Form::Text {
            output::advice(&help, &code);
        }
        if let Some(last) = self.found.last_mut() {
            (last.code, last.help) = (Some(code), Some(help));
        }
    }

    fn failures(&self) -> usize {
        self.found.iter().filter(|finding| finding.verdict == Verdict::Failure).count()
    }
}

/// Checks.
pub(super) fn check(args: &CheckArgs) -> Result<Outcome, Failure> {
    let mut findings = Findings { form: args.output, ..Findings::default() };
    let work = check_cluster(args, &mut findings);
    // What can be checked without the cluster is checked all the same.
    let noted = args.cluster.run("the API server", work).unwrap_or_else(|error| {
        findings.wrong("", &error);
        Vec::new()
    });
    let mut code = 1;
    if let Some(state) = args.state.as_deref().filter(|_| !args.pre)
        && !state::check(state, &noted, &mut findings)
    {
        code = UNKNOWN;
    }
    let passed = findings.failures() == 0;
    if args.output == Form::Json {
        let checked = Checked { version: "check.v1", passed, findings: findings.found };
        output::json(&serde_json::to_value(checked).unwrap_or_default());
        return Ok(if passed { Outcome::Done } else { Outcome::Code(code) });
    }
    if !passed {
        return Err(Failure { code, ..Failure::marked(CliError::Check) });
    }
    let all = if args.pre { "prerequisites checks passed" } else { "all checks passed" };
    output::progress(output::SUCCESS, all);
    Ok(Outcome::Done)
}

/// Checks the cluster; gives the ends of the journal that its leases tell.
async fn check_cluster(
    args: &CheckArgs,
    findings: &mut Findings,
) -> Result<Vec<NotedHead>, CliError> {
    let namespace = args.cluster.namespace()?;
    let cluster = args.cluster.connect().await?;
    findings.section("checking prerequisites");
    check_version(&cluster.server_version().await?, findings);
    let asked_for = match &args.service_account {
        Some(name) => cluster.as_user(&format!("system:serviceaccount:{namespace}:{name}")),
        None => cluster.clone(),
    };
    check_permissions(&asked_for, findings).await?;
    if args.pre {
        return Ok(Vec::new());
    }
    findings.section("checking crds");
    for definition in definitions::read(&cluster).await? {
        let name = definition.name();
        match definition.lacks() {
            None => findings.good(&format!("{name}/{}", definition.version())),
            Some(_) if definition.installed.is_none() => {
                findings.bad(&format!("{name} is not installed"));
            }
            Some(what) => findings.bad(&format!("{name} lacks {what}")),
        }
    }
    findings.section("checking leases");
    let mut names: Vec<&str> = args.kinds.iter().map(|kind| lease_name(kind)).collect();
    names.sort_unstable();
    names.dedup();
    let mut noted = Vec::new();
    for name in names {
        let head = check_lease(&cluster, &namespace, name, findings).await?;
        noted.extend(head.map(|head| NotedHead { lease: name.to_owned(), head }));
    }
    Ok(noted)
}

/// Compares the server's version as Flux does: what follows a `+` or `-` does not count.
fn check_version(text: &str, findings: &mut Findings) {
    let shown = text.trim_start_matches('v');
    let plain = shown.split(['+', '-']).next().unwrap_or_default();
    match Version::parse(plain) {
        Ok(version) if version >= SERVER_MIN => {
            findings.good(&format!("Kubernetes {shown} >={SERVER_MIN}-0"));
        }
        _ => {
            findings.bad(&format!("Kubernetes version {text} does not match >={SERVER_MIN}-0"));
        }
    }
}

/// Asks for each permission that hence needs for itself; what is refused is named.
async fn check_permissions(cluster: &Cluster, findings: &mut Findings) -> Result<(), CliError> {
    let writer = cluster.writer(Purpose::Upkeep("check"), WriteGate::open());
    let (mut asked, mut refused) = (0, Vec::new());
    for permission in permissions() {
        for resource in permission.resources {
            for verb in permission.verbs {
                let (plural, subresource) = resource.split_once('/').unwrap_or((resource, ""));
                let query = AccessQuery {
                    verb: (*verb).to_owned(),
                    group: permission.group.to_owned(),
                    plural: plural.to_owned(),
                    subresource: subresource.to_owned(),
                    ..AccessQuery::default()
                };
                asked += 1;
                if !writer.may(&query).await? {
                    let group = if permission.group.is_empty() { "core" } else { permission.group };
                    refused.push(format!("no permission to {verb} {resource} of {group}"));
                }
            }
        }
    }
    match refused.as_slice() {
        [] => findings.good(&format!("permissions: {asked} of {asked}")),
        refused => refused.iter().for_each(|text| findings.bad(text)),
    }
    let anything = AccessQuery {
        verb: "*".to_owned(),
        group: "*".to_owned(),
        plural: "*".to_owned(),
        ..AccessQuery::default()
    };
    if !writer.may(&anything).await? {
        findings.warn("no cluster-admin: only units that name a service account can be applied");
    }
    Ok(())
}

/// Says who holds a lease, and gives the end of the journal that it tells. Nobody is no failure:
/// the daemon may not be started yet.
async fn check_lease(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    findings: &mut Findings,
) -> Result<Option<Head>, ClusterError> {
    let lease = cluster.lease(namespace, name).await?;
    let head = lease.as_ref().and_then(noted_head);
    match lease {
        Some(lease) if lease.holder.starts_with("hence_") => {
            findings.good(&format!("{name}: held by {}, renewed {}", lease.holder, lease.renewed));
        }
        Some(lease) if !lease.holder.is_empty() => findings.warn(&format!(
            "{name}: held by {}, renewed {}; hence waits until it is let go",
            lease.holder, lease.renewed
        )),
        _ => findings.warn(&format!("{name}: held by nobody; the daemon does not run")),
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_versions() {
        #[rustfmt::skip]
        let cases = [
            ("v1.33.0",          0),
            ("v1.37.2+k3s1",     0),
            ("v1.33.0-eks-1234", 0),
            ("v1.32.9",          1),
            ("v1",               1),
            ("",                 1),
        ];
        for (text, failures) in cases {
            let mut findings = Findings::default();
            check_version(text, &mut findings);
            assert_eq!(findings.failures(), failures, "{text:?}");
        }
    }
}
