//! Custom resource types, one kind a file: serde and schema, no behaviour.
