//! The one place that chooses the TLS implementation: rustls with ring.

/// Installs the crypto provider for the process; call it once at start, before any connection.
/// Later calls do nothing.
pub fn install_provider() {
    // An error says that a provider is there already, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
