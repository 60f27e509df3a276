//! The committed schemas of what verbs print are those that the types have.

use schemars::Schema;
use schemars::schema_for;

use crate::actions::PlanReport;
use crate::cli::build::BuiltObjects;
use crate::cli::build::origins::Origins;
use crate::cli::check::Checked;
use crate::cli::get::Listing;
use crate::cli::relation::Explained;
use crate::cli::relation::Relations;
use crate::cli::rules::diagnostics::Refused;
use crate::cli::rules::diagnostics::RulesCheck;
use crate::daemon::journal_view::AuditCheck;
use crate::daemon::journal_view::AuditList;
use crate::daemon::journal_view::AuditRecord;
use crate::explain::Answer;
use crate::rules::Evaluated;

#[test]
fn committed_schemas_are_current() {
    let schemas: [(&str, Schema); 14] = [
        ("answer.v1.json", schema_for!(Answer)),
        ("audit-check.v1.json", schema_for!(AuditCheck)),
        ("audit-list.v1.json", schema_for!(AuditList)),
        ("audit-record.v1.json", schema_for!(AuditRecord)),
        ("build.v1.json", schema_for!(BuiltObjects)),
        ("check.v1.json", schema_for!(Checked)),
        ("get.v1.json", schema_for!(Listing)),
        ("origins.v1.json", schema_for!(Origins)),
        ("plan.v1.json", schema_for!(PlanReport)),
        ("relation.v1.json", schema_for!(Explained)),
        ("relations.v1.json", schema_for!(Relations)),
        ("rules-check.v1.json", schema_for!(RulesCheck)),
        ("rules-eval.v1.json", schema_for!(Evaluated)),
        ("rules-refused.v1.json", schema_for!(Refused)),
    ];
    for (file, schema) in schemas {
        let made = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = format!("{}/schemas/{file}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == made, "run the tests once with UPDATE_SCHEMAS=1 and commit {path}");
    }
}
