use crate::datalog::Dialect;
use crate::datalog::ExportError;
use crate::datalog::export;
use crate::datalog::tests::change;
use crate::datalog::tests::engine;
