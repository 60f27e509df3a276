//! Small questions to a reader, by relation name.

use std::collections::BTreeSet;

use crate::datalog::Fact;
use crate::datalog::Pattern;
use crate::datalog::QueryOptions;
use crate::datalog::Reader;
use crate::datalog::Row;
use crate::datalog::Value;
use crate::model::GroupKind;
use crate::model::ObjectRef;
use crate::model::SOURCE_GROUP;

/// The rows of `relation` that match the given columns; missing columns at the end are open.
pub(super) fn rows(reader: &Reader, relation: &str, columns: &[Option<&str>]) -> Vec<Row> {
    let Some(info) = reader.program().relation(relation) else { return Vec::new() };
    let given = columns.iter().map(|column| column.map(Value::from));
    let columns = given.chain(std::iter::repeat(None)).take(info.columns.len()).collect();
    let pattern = Pattern { relation: relation.into(), columns };
    reader.query(&pattern, &QueryOptions::default()).value
}

/// The first row, when there is one.
pub(super) fn row(reader: &Reader, relation: &str, columns: &[Option<&str>]) -> Option<Row> {
    rows(reader, relation, columns).into_iter().next()
}

/// Whether some row matches.
pub(super) fn holds(reader: &Reader, relation: &str, columns: &[Option<&str>]) -> bool {
    !rows(reader, relation, columns).is_empty()
}

/// The text of a column.
pub(super) fn text(row: &Row, at: usize) -> String {
    row.get(at).map(Value::plain).unwrap_or_default()
}

/// The fact of a row.
pub(super) fn fact(relation: &str, row: Row) -> Fact {
    Fact::new(relation, row)
}

/// `Kind/namespace/name` of an object in fact text.
pub(super) fn show(object: &str) -> String {
    ObjectRef::parse_fact_text(object).map_or_else(|| object.to_owned(), |o| o.to_string())
}

/// The kinds of objects that the facts mention: what a kind on the command line may mean.
pub fn known_kinds(reader: &Reader) -> Vec<GroupKind> {
    let mut kinds = BTreeSet::new();
    let served = rows(reader, "served", &[]);
    kinds.extend(served.iter().filter_map(|row| GroupKind::parse(&text(row, 0))));
    let sources = rows(reader, "source", &[]).into_iter().map(|row| text(&row, 0));
    kinds.extend(sources.filter_map(|source| {
        let (kind, _) = source.split_once('/')?;
        GroupKind::parse(&format!("{kind}.{SOURCE_GROUP}"))
    }));
    for (relation, column) in [("ours", 1), ("renders", 1), ("live", 0)] {
        let objects = rows(reader, relation, &[]);
        let parsed = objects.iter().filter_map(|r| ObjectRef::parse_fact_text(&text(r, column)));
        kinds.extend(parsed.map(|object| object.group_kind()));
    }
    kinds.into_iter().collect()
}

/// Whether the server serves the kind for the whole cluster, as far as the facts say.
pub fn is_cluster_scoped(reader: &Reader, kind: &GroupKind) -> bool {
    holds(reader, "served", &[Some(&kind.to_string()), Some("no")])
}
