//! Oracles that answer frames: a length (32 bits, little-endian) and bytes in; a status byte, a
//! length and bytes out. They answer when their input ends, so each batch starts one anew.

use std::io::Read;
use std::io::Write;
use std::process::Command;
use std::process::Stdio;

/// Asks `program` in `mode`; the answers in order. A refusal is an `Err` of the words.
pub fn ask(program: &str, mode: &str, questions: &[String]) -> Vec<Result<String, String>> {
    let mut child = Command::new(program)
        .arg(mode)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the variable names a program");
    let mut frames = Vec::new();
    for question in questions {
        let length = u32::try_from(question.len()).expect("questions are short");
        frames.extend_from_slice(&length.to_le_bytes());
        frames.extend_from_slice(question.as_bytes());
    }
    let mut input = child.stdin.take().expect("its standard input is piped");
    let writer = std::thread::spawn(move || input.write_all(&frames));
    let mut bytes = Vec::new();
    let mut output = child.stdout.take().expect("its standard output is piped");
    output.read_to_end(&mut bytes).expect("its output can be read");
    writer.join().expect("writing does not panic").expect("it reads all questions");
    child.wait().expect("it ends");
    let mut rest = bytes.as_slice();
    let answers: Vec<_> = std::iter::from_fn(|| answer(&mut rest)).collect();
    assert_eq!(answers.len(), questions.len(), "one answer for each question");
    answers
}

/// Takes the first answer off `bytes`.
fn answer(bytes: &mut &[u8]) -> Option<Result<String, String>> {
    let (&status, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *bytes = rest;
    let text = String::from_utf8_lossy(text).into_owned();
    Some(if status == 0 { Ok(text) } else { Err(text) })
}
