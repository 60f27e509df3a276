//! What a process has used so far, from the kernel's books.

use std::fs;
use std::path::Path;

/// The kernel counts CPU time in hundredths of a second on every system that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time and memory of one process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Seconds of CPU, in user and kernel mode together.
    pub(crate) cpu: f64,
    /// The most memory that it ever held, in MiB.
    pub(crate) peak: f64,
}

/// What our own child of this program name has used. Without such a child the contender is this
/// program itself, which the bench does not tell from its client: nothing is known.
pub(crate) fn of(program: &str) -> Option<Usage> {
    let ours = std::process::id().to_string();
    processes().into_iter().find_map(|folder| {
        let fields = stat(&folder)?;
        (fields.name == program[..program.len().min(15)] && fields.parent == ours)
            .then(|| Usage { cpu: fields.cpu, peak: peak(&folder).unwrap_or_default() })
    })
}

/// Seconds of CPU that the API server and the store of the cluster in this folder have used.
pub(crate) fn of_servers(cluster: &Path) -> f64 {
    let mark = cluster.to_string_lossy();
    let servers = processes().into_iter().filter(|folder| {
        let line = fs::read(folder.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.contains(&*mark) && !line.contains("tests/kube/up")
    });
    servers.filter_map(|folder| Some(stat(&folder)?.cpu)).sum()
}

fn processes() -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.join("stat").exists()).collect()
}

struct Stat {
    name: String,
    parent: String,
    cpu: f64,
}

fn stat(folder: &Path) -> Option<Stat> {
    let text = fs::read_to_string(folder.join("stat")).ok()?;
    let (before, after) = text.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some(Stat {
        name,
        parent: (*fields.get(1)?).to_owned(),
        cpu: (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND,
    })
}

fn peak(folder: &Path) -> Option<f64> {
    let text = fs::read_to_string(folder.join("status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}
