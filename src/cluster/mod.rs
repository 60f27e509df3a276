//! The only user of the Kubernetes client: reads and writes.
