//! An in-process Kubernetes API server and Git host on loopback, for the demo and for tests.
