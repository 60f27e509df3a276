//! Certificates for TLS hosts, made with `openssl` for one test.

use std::fs;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

use crate::support::git::run;

/// Certificates made for one test.
pub(crate) struct Certificates {
    directory: TempDir,
}

impl Certificates {
    /// Makes an authority, a server certificate for localhost and a client certificate.
    pub(crate) fn make() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path();
        let openssl = |arguments: &str| {
            run("openssl", &arguments.split(' ').collect::<Vec<_>>(), at);
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(&format!("req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=ca"));
        for (name, extension) in
            [("server", "subjectAltName=DNS:localhost"), ("client", "extendedKeyUsage=clientAuth")]
        {
            fs::write(at.join("ext"), extension).expect("a file");
            openssl(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
            openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
                 -extfile ext -out {name}.crt"
            ));
        }
        Self { directory }
    }

    /// The content of `ca.crt`, `client.crt`, `client.key`, ….
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.directory.path().join(name)).expect("made before")
    }

    /// A server's configuration; it may ask clients for a certificate of the authority.
    pub(crate) fn server(&self, asks_clients: bool) -> Arc<rustls::ServerConfig> {
        hence::sources::tls::install_provider();
        let certificate =
            |name: &str| CertificateDer::from_pem_slice(&self.read(name)).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(&self.read("server.key")).expect("a key");
        let builder = rustls::ServerConfig::builder();
        let builder = if asks_clients {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(certificate("ca.crt")).expect("an authority");
            let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots));
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let config = builder.with_single_cert(vec![certificate("server.crt")], key);
        Arc::new(config.expect("key and certificate fit"))
    }
}
