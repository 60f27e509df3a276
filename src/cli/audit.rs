//! `hence audit`: the journal, read from disk without any lock, whether or not a daemon runs.

use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;
use serde_json::json;

use crate::audit;
use crate::audit::Body;
use crate::audit::DiskStorage;
use crate::audit::Item;
use crate::audit::JournalReader;
use crate::audit::Order;
use crate::audit::Query;
use crate::audit::RecordKind;
use crate::audit::Verification;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Form;
use crate::cli::output::Outcome;

/// What to do with the journal.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// The state directory of the daemon
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "hence-state",
        env = "HENCE_STATE"
    )]
    state: PathBuf,
    /// Text for people, or JSON
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Form,
    #[command(subcommand)]
    verb: AuditVerb,
}

#[derive(Debug, Subcommand)]
enum AuditVerb {
    /// List actions, newest first
    List {
        /// Only actions of this unit (namespace/name)
        #[arg(long)]
        unit: Option<String>,
        /// Only applies and deletes
        #[arg(long)]
        writes: bool,
        /// How many to list
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show one record with its proof
    Show {
        /// Its id, such as P-7f3a12
        id: String,
    },
    /// Check the chain: nothing missing, nothing altered
    Verify,
}

/// Reads the journal.
pub(super) fn audit(args: &AuditArgs) -> Result<Outcome, Failure> {
    let storage = DiskStorage::for_reading(&args.state.join("journal"));
    if let AuditVerb::Verify = args.verb {
        return verify(&storage, args.output);
    }
    let journal = JournalReader::open(storage).map_err(Failure::input)?;
    match &args.verb {
        AuditVerb::List { unit, writes, limit } => {
            list(&journal, unit.clone(), *writes, *limit, args.output)
        }
        AuditVerb::Show { id } => show(&journal, id, args.output),
        AuditVerb::Verify => Ok(Outcome::Done),
    }
}

fn list(
    journal: &JournalReader<DiskStorage>,
    unit: Option<String>,
    writes: bool,
    limit: usize,
    form: Form,
) -> Result<Outcome, Failure> {
    let view = journal.view();
    let mut query = Query {
        unit,
        kind: Some(RecordKind::Intent),
        order: Order::NewestFirst,
        ..Query::default()
    };
    let mut items = Vec::new();
    loop {
        let page = view.list(&query).map_err(Failure::input)?;
        let wanted = |item: &Item| !writes || is_write(item);
        items.extend(page.items.into_iter().filter(wanted));
        query.after = page.next;
        if items.len() >= limit || page.next.is_none() {
            break;
        }
    }
    items.truncate(limit);
    if form == Form::Json {
        let rows: Vec<_> = items.iter().map(|item| entry(item, &view.short_id(&item.id))).collect();
        output::json(&json!({ "version": "audit.v1", "actions": rows }));
        return Ok(Outcome::Done);
    }
    for item in &items {
        output::data(&format!("{}\n", line(item, &view.short_id(&item.id))));
    }
    Ok(Outcome::Done)
}

fn is_write(item: &Item) -> bool {
    let Body::Intent(intent) = &item.record.body else { return false };
    matches!(intent.action.kind.as_str(), "apply" | "delete")
}

fn line(item: &Item, id: &str) -> String {
    let Body::Intent(intent) = &item.record.body else { return id.to_owned() };
    let subject = intent.action.fields.get("key").cloned().unwrap_or_default();
    let outcome = match &item.outcome {
        Some((_, outcome)) => format!("{}: {}", outcome.result, outcome.detail),
        None => "no outcome".to_owned(),
    };
    format!("{}  {id}  {subject}  {outcome}", item.record.at)
}

fn entry(item: &Item, id: &str) -> serde_json::Value {
    let outcome = item.outcome.as_ref().map(|(at, outcome)| {
        json!({ "at": at.to_string(), "result": outcome.result.to_string(), "detail": outcome.detail })
    });
    let action = match &item.record.body {
        Body::Intent(intent) => serde_json::to_value(&intent.action).unwrap_or_default(),
        _ => serde_json::Value::Null,
    };
    json!({ "id": id, "seq": item.seq, "at": item.record.at.to_string(), "action": action,
            "outcome": outcome })
}

fn show(journal: &JournalReader<DiskStorage>, id: &str, form: Form) -> Result<Outcome, Failure> {
    let view = journal.view();
    let item = view.find(id).map_err(Failure::input)?;
    if form == Form::Json {
        output::json(&serde_json::to_value(&item.record).unwrap_or_default());
        return Ok(Outcome::Done);
    }
    output::data(&format!("{}\n", line(&item, &view.short_id(&item.id))));
    let Body::Intent(intent) = &item.record.body else { return Ok(Outcome::Done) };
    for node in intent.proof["nodes"].as_array().into_iter().flatten() {
        let conclusion = node["conclusion"].as_str().unwrap_or_default();
        let label = node["clause"]["label"].as_str();
        let by = label.map(|label| format!("   [{label}]")).unwrap_or_default();
        output::data(&format!("  {conclusion}{by}\n"));
    }
    Ok(Outcome::Done)
}

fn verify(storage: &DiskStorage, form: Form) -> Result<Outcome, Failure> {
    let verification = audit::verify(storage, None).map_err(Failure::input)?;
    let sound = verification.is_sound();
    match form {
        Form::Json => output::json(&as_json(&verification)),
        Form::Text => output::data(&as_text(&verification)),
    }
    Ok(if sound { Outcome::Done } else { Outcome::Code(1) })
}

fn as_text(found: &Verification) -> String {
    let word = if found.is_sound() { "OK" } else { "NOT SOUND" };
    let mut text = format!(
        "{word}  {} records, {} actions, {} without outcome; chain {}..{} {}\n",
        found.records,
        found.intents,
        found.open.len(),
        found.start.seq,
        found.head.seq,
        found.head.hash
    );
    for problem in &found.problems {
        text.push_str(&format!("  problem  {problem}\n"));
    }
    text
}

fn as_json(found: &Verification) -> serde_json::Value {
    json!({
        "sound": found.is_sound(),
        "records": found.records,
        "actions": found.intents,
        "open": found.open.iter().map(|id| id.with_digits(16)).collect::<Vec<_>>(),
        "head": { "seq": found.head.seq, "hash": found.head.hash.to_string() },
        "problems": found.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
