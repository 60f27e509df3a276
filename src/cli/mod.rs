//! The command line: one file per verb, each with its arguments, help and one function.
//!
//! Data goes to stdout, progress to stderr. Exit codes: 0 done or true, 1 the user's input, false
//! or a difference, 2 unknown or partial, 3 the question or command line is wrong, or the cluster
//! or a source refused, 70 our own bug. Verbs that Flux has (get, reconcile, suspend, resume,
//! check, install, uninstall) fail with 1 always.

mod audit;
mod build;
mod check;
mod completion;
mod connect;
mod controller_flags;
mod definitions;
mod demo;
mod demo_story;
mod error;
mod get;
mod install;
mod kinds;
mod manifests;
mod output;
mod plan;
mod query;
mod reconcile;
mod relation;
mod remote;
mod resume;
mod rules;
mod run;
mod sandbox;
mod suspend;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod uninstall;

use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

use crate::cli::output::Failure;
use crate::cli::output::Outcome;

/// GitOps that can prove every action.
#[derive(Debug, Parser)]
#[command(name = "hence", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the daemon
    Run(Box<run::RunArgs>),
    /// Show the main job on an embedded cluster: no Kubernetes needed
    Demo(demo::DemoArgs),
    /// Run the embedded Kubernetes API server and Git host, to try things out
    Sandbox(sandbox::SandboxArgs),
    /// Put the daemon into a cluster
    Install(install::InstallArgs),
    /// Take the daemon out of a cluster; no workload is touched
    Uninstall(uninstall::UninstallArgs),
    /// Check permissions, definitions, leases and the state directory
    Check(check::CheckArgs),
    /// Print units and sources with their status
    Get(get::GetArgs),
    /// Reconcile a unit or a source now, and wait for the result
    Reconcile(reconcile::ReconcileArgs),
    /// Leave units or sources alone until they are resumed
    Suspend(suspend::SuspendArgs),
    /// Reconcile suspended units or sources again
    Resume(resume::ResumeArgs),
    /// Say why an object exists, or why it was pruned
    Why(query::WhyArgs),
    /// Say why a unit is not ready, or why a revision is not live
    #[command(name = "why-not")]
    WhyNot(query::WhyNotArgs),
    /// Say who owns an object and who wants it
    Owners(query::OwnersArgs),
    /// List what is due, held or waited for
    Pending(query::PendingArgs),
    /// Print what the daemon is about to do
    Plan(plan::PlanArgs),
    /// List, show, verify and export the journal
    Audit(audit::AuditArgs),
    /// Check rule files; say what a relation means
    Rules(rules::RulesArgs),
    /// Build a kustomization and print its objects
    Build(build::BuildArgs),
    /// Print a completion script for a shell
    Completion(completion::CompletionArgs),
}

/// Exit code of a bug of ours.
const BUG: u8 = 70;
/// Exit code when the command line cannot be understood.
const USAGE: u8 = 3;
/// Verbs that Flux has fail as there.
const OF_FLUX: &[&str] =
    &["get", "reconcile", "suspend", "resume", "check", "install", "uninstall"];

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    // The panic itself has been reported by then, with its place.
    std::panic::catch_unwind(run_verb).unwrap_or(ExitCode::from(BUG))
}

fn run_verb() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let outcome = match cli.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Demo(args) => demo::demo(&args),
        Verb::Sandbox(args) => sandbox::sandbox(&args),
        Verb::Install(args) => install::install(&args),
        Verb::Uninstall(args) => uninstall::uninstall(&args),
        Verb::Check(args) => check::check(&args),
        Verb::Get(args) => get::get(&args),
        Verb::Reconcile(args) => reconcile::reconcile(&args),
        Verb::Suspend(args) => suspend::suspend(&args),
        Verb::Resume(args) => resume::resume(&args),
        Verb::Why(args) => query::why(&args),
        Verb::WhyNot(args) => query::why_not(&args),
        Verb::Owners(args) => query::owners(&args),
        Verb::Pending(args) => query::pending(&args),
        Verb::Plan(args) => plan::plan(&args),
        Verb::Audit(args) => audit::audit(&args),
        Verb::Rules(args) => rules::rules(&args),
        Verb::Build(args) => build::build(&args),
        Verb::Completion(args) => completion::completion(&args),
    };
    finish(outcome)
}

/// Shows help, the version, or what is wrong with the command line.
fn usage(error: &clap::Error) -> ExitCode {
    output::usage(error);
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let verb = std::env::args().nth(1).unwrap_or_default();
    ExitCode::from(if OF_FLUX.contains(&verb.as_str()) { 1 } else { USAGE })
}

fn finish(outcome: Result<Outcome, Failure>) -> ExitCode {
    match outcome {
        Ok(outcome) => ExitCode::from(outcome.code()),
        Err(failure) => {
            output::failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}
