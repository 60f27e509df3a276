//! The input relations as typed constructors: one function per relation of `rules/schema*.dl`.
//!
//! The sentence that says what a row means stands in the schema, where `why` finds it; a test holds
//! names, arities and types of this table against it.

use std::time::Duration;

use crate::datalog::Value;
use crate::model::ObjectRef;
use crate::model::SourceName;
use crate::model::Timestamp;
use crate::model::UnitName;

/// A Rust value that can stand in a column.
pub trait Column {
    /// The engine's value.
    fn column(&self) -> Value;
}

impl Column for str {
    fn column(&self) -> Value {
        Value::from(self)
    }
}

impl Column for String {
    fn column(&self) -> Value {
        Value::from(self.as_str())
    }
}

impl Column for UnitName {
    fn column(&self) -> Value {
        Value::from(self.to_string())
    }
}

impl Column for SourceName {
    fn column(&self) -> Value {
        Value::from(self.to_string())
    }
}

impl Column for ObjectRef {
    fn column(&self) -> Value {
        Value::from(self.fact_text())
    }
}

impl Column for i64 {
    fn column(&self) -> Value {
        Value::Number(*self)
    }
}

impl Column for Timestamp {
    fn column(&self) -> Value {
        Value::Time(self.millis())
    }
}

impl Column for Duration {
    fn column(&self) -> Value {
        Value::Duration(i64::try_from(self.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Declares one constructor per relation, and a table of names and arities for the test.
macro_rules! relations {
    ($($name:ident($($column:ident: $type:ty),* $(,)?);)*) => {
        $(
            #[doc = concat!("A row of `", stringify!($name), "`; its sentence stands in the schema.")]
            pub fn $name($($column: &$type),*) -> crate::datalog::Fact {
                crate::datalog::Fact::new(stringify!($name), vec![$($column.column()),*])
            }
        )*

        /// Name and arity of every relation above.
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, usize)] =
            &[$((stringify!($name), [$(stringify!($column)),*].len())),*];
    };
}

/// Constructors of facts, named after their relations.
pub mod relation {
    use super::Column;
    use super::Duration;
    use super::ObjectRef;
    use super::SourceName;
    use super::Timestamp;
    use super::UnitName;

    relations! {
        elapsed(key: str, at: Timestamp);
        reconciles(kind: str);
        switch(name: str);
        artifact_host(host: str);
        amount(name: str, value: i64);
        setting(name: str, value: Duration);
        default_account(name: str);
        own_namespace(name: str);
        lasting(action: str);
        vain(action: str, times: i64, at: Timestamp);
        rules_rejected(message: str);
        state_lost(message: str);

        unit(unit: UnitName, uid: str);
        unit_generation(unit: UnitName, generation: i64);
        unit_source(unit: UnitName, source: SourceName);
        unit_build(unit: UnitName, build: str);
        unit_timing(unit: UnitName, interval: Duration, retry: Duration, timeout: Duration);
        unit_flag(unit: UnitName, flag: str);
        unit_policy(unit: UnitName, policy: str);
        unit_account(unit: UnitName, name: str);
        unit_deleting(unit: UnitName);
        unit_finalizer(unit: UnitName);
        unit_requested(unit: UnitName, token: str, seen: Timestamp);
        unit_refused(unit: UnitName, field: str, message: str);
        depends_on(unit: UnitName, other: UnitName);
        depends_place(unit: UnitName, other: UnitName, place: i64);
        checks_health(unit: UnitName, object: ObjectRef);
        reads_values(unit: UnitName, object: ObjectRef);
        variables(unit: UnitName, digest: str);
        variables_missing(unit: UnitName, message: str);
        inventory(unit: UnitName, object: ObjectRef, version: str);
        unit_shown(unit: UnitName, field: str, value: str);

        reads(unit: UnitName, tree: str, part: str);
        rendered(unit: UnitName, part: str, build: str, variables: str, text: str, objects: i64);
        render_failed(unit: UnitName, part: str, build: str, variables: str, reason: str,
            message: str, at: Timestamp);
        renders(unit: UnitName, object: ObjectRef, manifest: str, version: str, stage: i64,
            order: str);
        toggle(unit: UnitName, object: ObjectRef, name: str, value: str);
        advice(subject: str, code: str, text: str);
        mentions(unit: UnitName, object: ObjectRef);
        searched(unit: UnitName, tree: str);
        elsewhere(unit: UnitName, at: Timestamp);
        declared_at(unit: UnitName, object: ObjectRef, file: str, line: i64);

        source(source: SourceName, uid: str);
        source_generation(source: SourceName, generation: i64);
        source_spec(source: SourceName, digest: str);
        source_timing(source: SourceName, interval: Duration, timeout: Duration);
        source_ignore(source: SourceName, text: str);
        source_suspended(source: SourceName);
        source_deleting(source: SourceName);
        source_finalizer(source: SourceName);
        source_requested(source: SourceName, token: str, seen: Timestamp);
        source_refused(source: SourceName, reason: str, message: str);
        offered(source: SourceName, revision: str, digest: str, url: str);
        origin(source: SourceName, origin: str);
        source_shown(source: SourceName, field: str, value: str);
        uses_secret(source: SourceName, object: ObjectRef);
        checked(source: SourceName, at: Timestamp);
        fetched(source: SourceName, spec: str, revision: str, tree: str);
        fetch_failed(source: SourceName, spec: str, reason: str, message: str, at: Timestamp,
            failures: i64);
        commit_of(source: SourceName, revision: str, subject: str);
        kept_at(source: SourceName, place: str);
        packed(source: SourceName, tree: str, revision: str, digest: str, path: str, size: i64);
        pack_failed(source: SourceName, tree: str, message: str);
        artifact_lost(source: SourceName);

        listed(kind: str);
        served(kind: str, namespaced: str);
        undiscovered(group: str);
        live(object: ObjectRef, uid: str, resource_version: str);
        absent(object: ObjectRef);
        live_owner(object: ObjectRef, unit: UnitName);
        live_toggle(object: ObjectRef, name: str, value: str);
        live_health(object: ObjectRef, status: str, message: str);
        named_health(object: ObjectRef, status: str, message: str);
        live_deleting(object: ObjectRef);
        scaled_down(object: ObjectRef);
        own_part(object: ObjectRef);
        definition_ending(object: ObjectRef);
        defines(object: ObjectRef, kind: str);
        unheard(kind: str);
        recalled(source: SourceName);
        unlisted(unit: UnitName, object: ObjectRef);
        moved(unit: UnitName, revision: str);
        offered_anew(source: SourceName, revision: str);
        definition_stood(object: ObjectRef, at: Timestamp);
        applier_manages(object: ObjectRef);
        overridden(object: ObjectRef, manager: str);
        legacy(object: ObjectRef, name: str);
        drifted(object: ObjectRef, path: str, manager: str, at: Timestamp);

        ours(unit: UnitName, object: ObjectRef, uid: str, how: str);
        applied(unit: UnitName, object: ObjectRef, uid: str, manifest: str, at: Timestamp);
        attempted(object: ObjectRef, unit: UnitName);
        recorded(object: ObjectRef, uid: str, fields: str);
        differs(unit: UnitName, object: ObjectRef, manifest: str);
        accepted(unit: UnitName, object: ObjectRef, manifest: str);
        refused(unit: UnitName, object: ObjectRef, manifest: str, reason: str, message: str,
            at: Timestamp);
        delete_refused(unit: UnitName, object: ObjectRef, reason: str, message: str,
            at: Timestamp);
        corrected(object: ObjectRef, path: str, manager: str, at: Timestamp);
        changed(unit: UnitName, object: ObjectRef, what: str, at: Timestamp);
        event_sent(subject: str, topic: str, about: str);
        noted(subject: str, what: str, about: str, at: Timestamp);
    }
}
