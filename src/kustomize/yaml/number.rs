//! Floating-point numbers as Go's JSON and go-yaml v2 print them.

/// Below this, Go's JSON writes a number without exponent.
const JSON_PLAIN_MAX: f64 = 1e21;

/// A finite number after its way through JSON: a whole one comes back as an integer while it fits
/// 64 bits.
pub(super) fn through_json(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if number.fract() == 0.0 && number.abs() < JSON_PLAIN_MAX {
        let digits = format!("{number}");
        if digits.parse::<i64>().is_ok() || digits.parse::<u64>().is_ok() {
            return digits;
        }
    }
    shortest(number)
}

/// Go's `strconv.FormatFloat(number, 'g', -1, 64)` for a finite number.
pub(super) fn shortest(number: f64) -> String {
    from_scientific(&format!("{number:e}"), || format!("{number}"))
}

fn from_scientific(scientific: &str, plain: impl FnOnce() -> String) -> String {
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return plain() };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return plain();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// A number as the key of a map in a kustomization file (`sigs.k8s.io/yaml`): 32-bit digits.
#[expect(clippy::cast_possible_truncation, reason = "the official program cuts keys to 32 bits")]
pub(super) fn key_text(number: f64) -> String {
    match number {
        _ if number.is_nan() => ".nan".to_owned(),
        _ if number.is_infinite() => if number > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        _ => {
            let narrow = number as f32;
            if narrow.is_infinite() {
                return if narrow > 0.0 { ".inf" } else { "-.inf" }.to_owned();
            }
            let scientific = format!("{narrow:e}");
            from_scientific(&scientific, || format!("{narrow}"))
        }
    }
}
