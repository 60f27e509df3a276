//! Git, artifacts and registries: fetch, verify, authenticate; content-addressed cache.
