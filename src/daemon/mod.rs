//! Wiring: the step loop, lease, shutdown, HTTP.
