//! What the state directory holds besides facts and journal: fetched sources and artifact
//! files. Opened at start; what nobody needs any more is removed when nothing is underway.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::daemon::DaemonError;
use crate::daemon::DaemonOptions;
use crate::datalog::Pattern;
use crate::datalog::QueryOptions;
use crate::datalog::Reader;
use crate::datalog::Row;
use crate::datalog::Value;
use crate::facts::Statement;
use crate::ingest::Ingest;
use crate::ingest::RecalledFile;
use crate::ingest::RecalledTree;
use crate::ingest::Stores;
use crate::ingest::lost_files;
use crate::model::GroupKind;
use crate::model::ObjectRef;
use crate::model::SourceName;
use crate::model::Timestamp;
use crate::model::UnitName;
use crate::sources::artifact::FileStore;
use crate::sources::artifact::Retention;
use crate::sources::artifact::Storage;
use crate::sources::git::GitStore;

/// Opens the stores of the state directory.
///
/// # Errors
/// A directory cannot be made or read.
pub(super) fn open(options: &DaemonOptions) -> Result<Stores, DaemonError> {
    let store = |what: &str, error: &dyn std::fmt::Display| DaemonError::Io {
        what: format!("cannot open {what}"),
        source: std::io::Error::other(error.to_string()),
    };
    let state = &options.state;
    let git = GitStore::open(state.join("git")).map_err(|e| store("the Git store", &e))?;
    let elsewhere = GitStore::open_empty(state.join("elsewhere"))
        .map_err(|e| store("the store of remote bases", &e))?;
    let files = FileStore::open(state.join("files")).map_err(|e| store("the file store", &e))?;
    let path = options.artifact_path.clone().unwrap_or_else(|| state.join("artifacts"));
    let artifacts = Storage::open(path).map_err(|e| store("the artifact storage", &e))?;
    Ok(Stores {
        git: Arc::new(git),
        elsewhere: Arc::new(elsewhere),
        files: Arc::new(files),
        artifacts: Arc::new(artifacts),
        retention: Retention {
            records: options.artifact_retention_records,
            ttl: options.artifact_retention_ttl,
        },
    })
}

/// Tells `ingest` what it knew when the last run ended. The statements say what is known no longer.
pub(super) fn recall(ingest: &mut Ingest, reader: &Reader, stores: &Stores) -> Vec<Statement> {
    let recorded = rows(reader, "recorded");
    let texts = recorded.iter().filter_map(|row| {
        let [object, uid, fields] = row.as_slice() else { return None };
        Some((ObjectRef::parse_fact_text(&object.plain())?, uid.plain(), fields.plain()))
    });
    ingest.recall_recorded(texts);
    let corrected = rows(reader, "corrected");
    let times = corrected.iter().filter_map(|row| {
        let [object, path, manager, Value::Time(at)] = row.as_slice() else { return None };
        let object = ObjectRef::parse_fact_text(&object.plain())?;
        Some((object, path.plain(), manager.plain(), Timestamp(*at)))
    });
    ingest.recall_corrections(times);
    let text = |row: &Row, at: usize| row.get(at).map(|value| value.plain()).unwrap_or_default();
    let units = rows(reader, "unit");
    let units = units.iter().filter_map(|r| Some((UnitName::parse(&text(r, 0))?, text(r, 1))));
    let sources = rows(reader, "source");
    let sources =
        sources.iter().filter_map(|r| Some((SourceName::parse(&text(r, 0))?, text(r, 1))));
    ingest.recall_names(units.collect(), sources.collect());
    let shown = rows(reader, "unit_shown");
    let shown = shown.iter().filter(|row| text(row, 1) == "lastAttemptedRevision");
    let used: BTreeMap<String, String> =
        rows(reader, "unit_source").iter().map(|row| (text(row, 0), text(row, 1))).collect();
    let left = shown.filter_map(|row| {
        let source = SourceName::parse(used.get(&text(row, 0))?)?;
        Some((UnitName::parse(&text(row, 0))?, (source, text(row, 2))))
    });
    ingest.recall_revisions(left.collect());
    let offered = rows(reader, "offered");
    let offered =
        offered.iter().filter_map(|r| Some((SourceName::parse(&text(r, 0))?, text(r, 1))));
    ingest.recall_offers(offered.collect());
    let inventories = rows(reader, "inventory");
    ingest.recall_inventories(inventories.iter().filter_map(|row| {
        let object = ObjectRef::parse_fact_text(&text(row, 1))?;
        Some((UnitName::parse(&text(row, 0))?, object))
    }));
    let served = rows(reader, "served");
    let kinds =
        served.iter().filter_map(|r| Some((GroupKind::parse(&text(r, 0))?, text(r, 1) == "yes")));
    ingest.recall_kinds(kinds.collect());
    let kept = rows(reader, "kept_at");
    let trees = rows(reader, "fetched").iter().filter_map(|row| fetched(row, &kept)).collect();
    let mut said = ingest.recall_trees(trees, stores);
    let files = rows(reader, "packed");
    let files: Vec<RecalledFile> = files.iter().filter_map(packed).collect();
    ingest.recall_files(&files);
    said.extend(lost_files(files, stores));
    said
}

/// All rows of a relation.
pub(super) fn rows(reader: &Reader, relation: &str) -> Vec<Row> {
    let columns = reader.program().relation(relation).map_or(0, |info| info.columns.len());
    let pattern = Pattern { relation: relation.into(), columns: vec![None; columns] };
    let all = QueryOptions { limit: usize::MAX, work: u64::MAX, ..QueryOptions::default() };
    reader.query(&pattern, &all).value
}

fn fetched(row: &Row, kept: &[Row]) -> Option<RecalledTree> {
    let [source, spec, revision, tree] = row.as_slice() else { return None };
    let place = kept.iter().find(|kept| kept.first() == Some(source)).and_then(|kept| kept.get(1));
    Some(RecalledTree {
        source: SourceName::parse(&source.plain())?,
        spec: spec.plain(),
        revision: revision.plain(),
        tree: tree.plain(),
        place: place.map(|place| place.plain()).unwrap_or_default(),
    })
}

fn packed(row: &Row) -> Option<RecalledFile> {
    let [source, _, _, digest, path, _] = row.as_slice() else { return None };
    Some(RecalledFile {
        source: SourceName::parse(&source.plain())?,
        digest: digest.plain(),
        path: path.plain(),
    })
}
