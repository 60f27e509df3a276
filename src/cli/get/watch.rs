//! `get --watch`: a row whenever what it shows changes, until the reader ends it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use super::GetArgs;
use super::Listing;
use super::Shown;
use super::StatusSelector;
use super::Wanted;
use super::list_options;
use crate::cli::error::CliError;
use crate::cli::kinds::FluxKind;
use crate::cli::output;
use crate::cli::output::Form;
use crate::cli::run;
use crate::cluster::read::WatchEvent;
use crate::cluster::read::WatchMessage;
use crate::cluster::read::WatchSpec;

/// Changes that may wait for the terminal.
const WAITING_MAX: usize = 64;

/// What was printed last, by namespace and name.
#[derive(Default)]
struct Printed(BTreeMap<(String, String), Shown>);

impl Printed {
    /// Those that differ from what was printed.
    fn differing(&mut self, shown: Vec<Shown>) -> Vec<Shown> {
        let mut news = Vec::new();
        for object in shown {
            let name = (object.namespace.clone(), object.name.clone());
            if self.0.insert(name, object.clone()).as_ref() != Some(&object) {
                news.push(object);
            }
        }
        news
    }

    fn forget(&mut self, object: &Shown) {
        self.0.remove(&(object.namespace.clone(), object.name.clone()));
    }
}

/// Prints all objects that are wanted, and each again when its row changes.
pub(super) async fn watch(args: &GetArgs, wanted: &Wanted<'_>) -> Result<(), CliError> {
    let &[kind] = wanted.kinds.as_slice() else { return Err(CliError::OneKind) };
    let selector = args.status_selector.as_deref().map(StatusSelector::parse).transpose()?;
    let fits = |object: &Value| selector.as_ref().is_none_or(|want| want.fits(object));
    let spec = WatchSpec { resource: kind.resource(), options: list_options(args, wanted)? };
    let cluster = args.cluster.connect().await?;
    let (to, mut messages) = mpsc::channel(WAITING_MAX);
    let _running = cluster.watch(spec, |observed| observed.raw, to);
    let (mut printed, mut is_first) = (Printed::default(), true);
    loop {
        let message = tokio::select! {
            message = messages.recv() => message,
            () = run::ended() => None,
        };
        let Some(WatchMessage { event, .. }) = message else { return Ok(()) };
        let objects = match event {
            WatchEvent::Listed(listed) => listed.items,
            WatchEvent::Changed(object) => vec![object],
            WatchEvent::Gone(object) => {
                printed.forget(&Shown::of(kind, &object));
                continue;
            }
            WatchEvent::Stale | WatchEvent::Resumed => continue,
            WatchEvent::Failed { error, .. } if is_first => {
                let text = error.to_string();
                return Err(Arc::into_inner(error).map_or(CliError::Refused(text), CliError::from));
            }
            WatchEvent::Failed { error, .. } => {
                output::progress(output::WARNING, &error.to_string());
                continue;
            }
        };
        let shown = objects.iter().filter(|object| fits(object));
        let news = printed.differing(shown.map(|object| Shown::of(kind, object)).collect());
        if is_first || !news.is_empty() {
            print(args, kind, news, is_first);
        }
        is_first = false;
    }
}

fn print(args: &GetArgs, kind: FluxKind, shown: Vec<Shown>, with_header: bool) {
    if args.output == Form::Json {
        let listing = Listing { version: "get.v1", objects: shown };
        return output::json(&serde_json::to_value(listing).unwrap_or_default());
    }
    let mut table = args.table(kind, false, &shown);
    if !with_header {
        table.headers.clear();
    }
    output::data(&table.to_text());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn unit(status: &str) -> Shown {
        let conditions = json!([{"type": "Ready", "status": status, "message": "m"}]);
        let metadata = json!({"namespace": "shop", "name": "web"});
        let object = json!({"metadata": metadata, "status": {"conditions": conditions}});
        Shown::of(FluxKind::Kustomization, &object)
    }

    #[test]
    fn a_row_is_printed_when_it_changes() {
        let mut printed = Printed::default();
        assert_eq!(printed.differing(vec![unit("False")]).len(), 1);
        assert_eq!(printed.differing(vec![unit("False")]), []);
        assert_eq!(printed.differing(vec![unit("True")]), [unit("True")]);
        printed.forget(&unit("True"));
        assert_eq!(printed.differing(vec![unit("True")]).len(), 1, "it was made anew");
    }
}
