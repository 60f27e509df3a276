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
        let digits =
            even_digits(number).as_deref().map_or_else(|| format!("{number}"), without_exponent);
        if digits.parse::<i64>().is_ok() || digits.parse::<u64>().is_ok() {
            return digits;
        }
    }
    shortest(number)
}

/// Go's `strconv.FormatFloat(number, 'g', -1, 64)` for a finite number.
pub(super) fn shortest(number: f64) -> String {
    let scientific = even_digits(number).unwrap_or_else(|| format!("{number:e}"));
    from_scientific(&scientific, || {
        even_digits(number).as_deref().map_or_else(|| format!("{number}"), without_exponent)
    })
}

/// Where a number stands exactly between two shortest texts, Go takes the even last digit and Rust
/// the larger one: this is Go's, in scientific form, when they differ.
fn even_digits(number: f64) -> Option<String> {
    // Up to 15 digits name a number exactly.
    even_tie(&format!("{number:e}"), number, 16, |text| text.parse() == Ok(number))
}

/// [`even_digits`] of the shortest text `ours`, if it is that long; `names` says whether a text
/// names the same number.
fn even_tie(
    ours: &str,
    number: f64,
    length_min: usize,
    names: impl Fn(&str) -> bool,
) -> Option<String> {
    let (mantissa, exponent) = ours.split_once('e')?;
    let last = mantissa.bytes().last().filter(|b| b.is_ascii_digit() && b % 2 == 1)?;
    if mantissa.len() < length_min {
        return None;
    }
    let smaller = format!("{}{}", &mantissa[..mantissa.len() - 1], char::from(last - 1));
    let exact = format!("{number:.120e}");
    let beyond = exact.strip_prefix(&smaller)?.split_once('e')?.0.strip_prefix('5')?;
    let theirs = format!("{smaller}e{exponent}");
    let is_tie = beyond.bytes().all(|b| b == b'0') && names(&theirs);
    is_tie.then_some(theirs)
}

/// `1.25e3` as `1250`; only for exponents that Go writes without `e`.
fn without_exponent(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let exponent: i32 = exponent.parse().unwrap_or_default();
    match usize::try_from(exponent + 1) {
        Ok(whole) if whole >= digits.len() => format!("{sign}{digits:0<whole$}"),
        Ok(whole) if whole > 0 => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
        _ => {
            let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
            format!("{sign}0.{}{digits}", "0".repeat(zeros))
        }
    }
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
pub(crate) fn key_text(number: f64) -> String {
    match number {
        _ if number.is_nan() => ".nan".to_owned(),
        _ if number.is_infinite() => if number > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        _ => {
            let narrow = number as f32;
            if narrow.is_infinite() {
                return if narrow > 0.0 { ".inf" } else { "-.inf" }.to_owned();
            }
            let ours = format!("{narrow:e}");
            let names = |text: &str| text.parse() == Ok(narrow);
            // Up to 6 digits name such a number exactly.
            let even = even_tie(&ours, f64::from(narrow), 7, names);
            from_scientific(even.as_ref().unwrap_or(&ours), || {
                even.as_deref().map_or_else(|| format!("{narrow}"), without_exponent)
            })
        }
    }
}
