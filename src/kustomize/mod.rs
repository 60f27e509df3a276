//! Native kustomize build: a lazy file tree in; objects, read set, or the remote references it needs out.

pub mod yaml;
