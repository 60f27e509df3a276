//! Fills a template with values, and notes which parts of the result hold something secret.

use std::ops::Range;

use super::error::SubstituteError;
use super::functions;
use super::template::Call;
use super::template::Part;
use super::variables::Variables;

/// Text with variables filled in.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Filled {
    /// Bytes: a substring may have cut a character.
    pub(super) text: Vec<u8>,
    /// Parts of the text that a secret value reached, in order.
    pub(super) secret: Vec<Range<usize>>,
}

/// Most bytes that one text may grow to.
pub(super) const RESULT_BYTES_MAX: usize = 32 << 20;

/// Fills `parts`. Strict: a variable without value is an error, unless a default is at hand.
pub(super) fn fill(
    parts: &[Part],
    variables: &Variables,
    strict: bool,
) -> Result<Filled, SubstituteError> {
    let mut filled = Filled::default();
    for part in parts {
        match part {
            Part::Text(text) => filled.text.extend_from_slice(text.as_bytes()),
            Part::Call(call) => {
                let (value, is_secret) = evaluate(call, variables, strict)?;
                let start = filled.text.len();
                filled.text.extend_from_slice(&value);
                if is_secret {
                    filled.secret.push(start..filled.text.len());
                }
            }
        }
        if filled.text.len() > RESULT_BYTES_MAX {
            return Err(SubstituteError::LongResult { max: RESULT_BYTES_MAX });
        }
    }
    Ok(filled)
}

/// The value of one call, and whether it tells something of a secret.
fn evaluate(
    call: &Call,
    variables: &Variables,
    strict: bool,
) -> Result<(Vec<u8>, bool), SubstituteError> {
    let mut arguments = Vec::with_capacity(call.arguments.len());
    let mut is_secret = false;
    for part in &call.arguments {
        arguments.push(match part {
            Part::Text(text) => text.clone().into_bytes(),
            Part::Call(inner) => {
                let (value, inner_secret) = evaluate(inner, variables, strict)?;
                is_secret |= inner_secret;
                value
            }
        });
    }
    let variable = variables.get(&call.variable);
    let may_be_absent = matches!(call.operator.as_str(), "=" | ":=" | ":-" | ":+" | ":?");
    if variable.is_none() && strict && !may_be_absent {
        return Err(SubstituteError::NotSet { name: call.variable.clone() });
    }
    let value = variable.map(|variable| variable.value()).unwrap_or_default();
    is_secret |= variable.is_some_and(|variable| variable.is_secret());
    functions::apply(&call.operator, value.as_bytes(), &arguments, call.at)
        .map(|value| (value, is_secret))
}
