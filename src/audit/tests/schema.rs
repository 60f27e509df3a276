//! The committed schema is the one that the types have, and the text form is the one promised.

use super::at;
use super::intent;
use crate::audit::Record;
use crate::audit::SCHEMA;

#[test]
fn the_committed_schema_is_current() {
    let made = serde_json::to_string_pretty(&schemars::schema_for!(Record)).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/audit.v1.json");
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(committed == made, "run the tests once with UPDATE_SCHEMAS=1 and commit {path}");
}

#[test]
fn a_record_reads_like_this() {
    let body = intent("Kustomization/flux-system/shop", "api", 7);
    let record = Record { schema: SCHEMA.to_owned(), at: at(123), body };
    let text = serde_json::to_string_pretty(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    insta::assert_snapshot!(text, @r#"
    {
      "schema": "audit.v1",
      "at": "2025-11-24T16:00:00.123Z",
      "kind": "intent",
      "generation": 7,
      "fact_log": "sha256:aae89fc0f03e2959ae4d701a80cc3915918c950b159f6abb6c92c1433b1a8534",
      "rules": "sha256:14f45db35bd585e9b1b4c9672cc7dfe50d8367e641d05e0db60a506ab2c16d5f",
      "action": {
        "kind": "apply",
        "unit": "Kustomization/flux-system/shop",
        "object": {
          "group": "apps",
          "kind": "Deployment",
          "namespace": "shop",
          "name": "api"
        },
        "fields": {
          "digest": "sha256:00"
        }
      },
      "precondition": {
        "uid": "5e"
      },
      "proof": {
        "conclusion": "act_apply(Kustomization/flux-system/shop, api)",
        "premises": []
      }
    }
    "#);
}
