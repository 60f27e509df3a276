//! What the rules need of `facts`: nothing that keeps them.

#[path = "../../../../src/facts/declared.rs"]
mod declared;

pub use declared::DeclaredInput;
pub use declared::DeclaredInputError;
