//! Whole lists, page by page.
//!
//! In: a kind, a namespace, selectors. Out: every object of one version of the collection, or an
//! error. A list is complete when each page came and all name the same version; a page that is
//! missing, cut, refused, expired (410) or of another version makes it an error.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::cluster::ClusterError;
use crate::cluster::Observed;
use crate::cluster::Resource;
use crate::cluster::transport::Call;

/// Objects asked for at once.
pub(super) const PAGE_ITEMS: u32 = 500;

/// What of a collection to list or watch. Empty fields do not narrow it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ListOptions {
    /// One namespace; all when empty.
    pub namespace: String,
    /// A label selector.
    pub labels: String,
    /// A field selector, such as `metadata.name=web`.
    pub fields: String,
    /// Objects a page; `PAGE_ITEMS` when 0.
    pub page_items: u32,
}

/// A whole list: what is not in it was not there at this version.
#[derive(Clone, PartialEq)]
pub struct Listed<T> {
    /// The objects, in the server's order.
    pub items: Vec<T>,
    /// The version of the collection; a watch goes on from here.
    pub resource_version: String,
}

impl<T> fmt::Debug for Listed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listed({} at {})", self.items.len(), self.resource_version)
    }
}

#[derive(Deserialize)]
struct Page {
    metadata: PageMeta,
    #[serde(default)]
    items: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMeta {
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: String,
}

impl ListOptions {
    /// The parts of a query that narrow the collection.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let parts = [("labelSelector", &self.labels), ("fieldSelector", &self.fields)];
        let given = parts.into_iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| (name, value.clone())).collect()
    }

    /// In words, for messages.
    pub(super) fn words(&self, resource: &Resource) -> String {
        let mut words = format!("{}.{}", resource.plural, resource.api_version());
        for (name, value) in
            [("in", &self.namespace), ("with labels", &self.labels), ("with", &self.fields)]
        {
            if !value.is_empty() {
                words = format!("{words} {name} {value}");
            }
        }
        words
    }
}

impl Cluster {
    /// The whole list; `reduce` sees each object once, as its page comes.
    ///
    /// The first page asks for the newest state, so the list holds all writes that ended before.
    pub async fn list<T>(
        &self,
        resource: &Resource,
        options: &ListOptions,
        mut reduce: impl FnMut(Observed) -> T,
    ) -> Result<Listed<T>, ClusterError> {
        let words = options.words(resource);
        let mut items = Vec::new();
        let mut version: Option<String> = None;
        let mut next = String::new();
        loop {
            let page = self.list_page(resource, options, &next).await;
            let page = page.map_err(|error| explain(error, &words, &version))?;
            let started = version.get_or_insert_with(|| page.metadata.resource_version.clone());
            if *started != page.metadata.resource_version || started.is_empty() {
                return Err(ClusterError::Incomplete {
                    what: words,
                    reason: format!(
                        "its first page is of version {started}, a later one of {}",
                        page.metadata.resource_version
                    ),
                });
            }
            for raw in page.items.unwrap_or_default() {
                let observed = Observed::read(raw, resource).map_err(|reason| {
                    ClusterError::Unreadable { request: format!("list {words}"), reason }
                })?;
                items.push(reduce(observed));
            }
            if page.metadata.next.is_empty() {
                return Ok(Listed { items, resource_version: version.unwrap_or_default() });
            }
            next = page.metadata.next;
        }
    }

    async fn list_page(
        &self,
        resource: &Resource,
        options: &ListOptions,
        next: &str,
    ) -> Result<Page, ClusterError> {
        let words = format!("list {}", options.words(resource));
        let mut call = Call::get(words.clone(), resource.collection_path(&options.namespace));
        let items = if options.page_items == 0 { PAGE_ITEMS } else { options.page_items };
        call.query = options.query();
        call.query.push(("limit", items.to_string()));
        if !next.is_empty() {
            call.query.push(("continue", next.to_owned()));
        }
        let answer = self.send(call).await?;
        serde_json::from_slice(&answer.body).map_err(|error| ClusterError::Unreadable {
            request: words,
            reason: format!("it is no list: line {} column {}", error.line(), error.column()),
        })
    }
}

/// What an error of one page means for the list.
fn explain(error: ClusterError, words: &str, version: &Option<String>) -> ClusterError {
    match (&error, version) {
        (ClusterError::Refused { status, .. }, Some(version)) if status.code == 410 => {
            ClusterError::Expired { what: words.to_owned(), version: version.clone() }
        }
        (ClusterError::Refused { status, .. }, _) if status.code == 404 => {
            ClusterError::NotServed { what: words.to_owned() }
        }
        (_, Some(_)) => ClusterError::Incomplete {
            what: words.to_owned(),
            reason: format!("a later page failed: {error}"),
        },
        (_, None) => error,
    }
}
