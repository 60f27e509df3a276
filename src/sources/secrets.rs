//! Shapes of Secrets that sources refer to, read into credentials.
//!
//! In: the data of a Secret (key → bytes) and, for Git, the URL. Out: credentials, or a message
//! that names the key that is wrong. Spec: flux/pkg `git.NewAuthOptions` and `runtime/secrets`.
//!
//! Not here: fetching Secrets; registries, SOPS and signature keys.

use std::collections::BTreeMap;

use miette::Diagnostic;
use reqwest::Url;
use thiserror::Error;

use crate::model::Secret;
use crate::model::limits;
use crate::sources::http::HttpAuth;
use crate::sources::http::Proxy;
use crate::sources::http::Tls;

/// The data of a Secret.
pub type SecretData = BTreeMap<String, Vec<u8>>;

/// The user that Git hosts expect over ssh when the URL names none.
const SSH_USER: &str = "git";

/// How to prove who we are to a Git host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitAuth {
    /// Over http or https.
    Http {
        /// Credentials; none is allowed.
        auth: HttpAuth,
        /// Trust and client certificate.
        tls: Tls,
    },
    /// Over ssh.
    Ssh(SshAuth),
}

/// Who we are and whom to expect over ssh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshAuth {
    /// The remote user.
    pub user: String,
    /// The private key (OpenSSH or PEM).
    pub identity: Secret<Vec<u8>>,
    /// Its passphrase.
    pub passphrase: Option<Secret<String>>,
    /// Lines of a known_hosts file.
    pub known_hosts: Vec<u8>,
}

/// Why a Secret does not fit. Messages without a code prefix are Flux's own.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub enum SecretError {
    /// A password without a name.
    #[error("invalid '{transport}' auth option: 'password' requires 'username' to be set")]
    #[diagnostic(
        code(sources::secrets::basic_auth),
        help("set both `username` and `password`, or `bearerToken` alone")
    )]
    PasswordAlone {
        /// The URL's scheme.
        transport: String,
    },
    /// Something that the transport cannot do without.
    #[error("invalid '{transport}' auth option: '{key}' is required")]
    #[diagnostic(
        code(sources::secrets::missing_key),
        help("add the key to the Secret that `spec.secretRef` names")
    )]
    Missing {
        /// The URL's scheme.
        transport: String,
        /// The key.
        key: &'static str,
    },
    /// A scheme that no source is fetched over.
    #[error("unknown transport '{scheme}'")]
    #[diagnostic(code(sources::secrets::transport), help("use http, https or ssh"))]
    UnknownTransport {
        /// The URL's scheme.
        scheme: String,
    },
    /// A URL that does not parse.
    #[error("failed to parse url: {reason}")]
    #[diagnostic(code(sources::secrets::url))]
    Url {
        /// Why.
        reason: String,
    },
    /// Half of a user name and password.
    #[error("secret '{secret}': malformed basic auth - has '{has}' but missing '{missing}'")]
    #[diagnostic(code(sources::secrets::basic_auth), help("set both keys, or neither"))]
    HalfBasicAuth {
        /// `<namespace>/<name>`.
        secret: String,
        /// The key that is there.
        has: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
    /// Half of a certificate and its key.
    #[error("secret '{secret}': malformed TLS - has '{has}' but missing '{missing}'")]
    #[diagnostic(code(sources::secrets::tls), help("set both keys, or neither"))]
    HalfTls {
        /// `<namespace>/<name>`.
        secret: String,
        /// The key that is there.
        has: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
    /// No address in a proxy's Secret.
    #[error("secret '{secret}': proxy address is empty")]
    #[diagnostic(code(sources::secrets::proxy), help("set `address`"))]
    ProxyAddressEmpty {
        /// `<namespace>/<name>`.
        secret: String,
    },
    /// An address that is no proxy.
    #[error("secret '{secret}': {reason}")]
    #[diagnostic(code(sources::secrets::proxy), help("write http://, https:// or socks5://"))]
    Proxy {
        /// `<namespace>/<name>`.
        secret: String,
        /// What is wrong.
        reason: String,
    },
    /// A value that has to be text.
    #[error("secret key '{key}' is not UTF-8 text")]
    #[diagnostic(code(sources::secrets::encoding))]
    NotText {
        /// The key.
        key: &'static str,
    },
    /// The private key has a passphrase and none is given.
    #[error(
        "SSH identity key is encrypted but no 'password' field was provided in the secret \
         '{secret}'"
    )]
    #[diagnostic(code(sources::secrets::passphrase), help("add the passphrase as `password`"))]
    PassphraseMissing {
        /// `<namespace>/<name>`.
        secret: String,
    },
}

/// Credentials for the Git repository at `url`. `secret` is the name (`<namespace>/<name>`) and
/// data of the referenced Secret. Name and password may also stand in the URL of http(s).
pub fn git_auth(url: &str, secret: Option<(&str, &SecretData)>) -> Result<GitAuth, SecretError> {
    let parsed = Url::parse(url).map_err(|e| SecretError::Url { reason: e.to_string() })?;
    let empty = SecretData::new();
    let (name, data) = secret.unwrap_or(("", &empty));
    match parsed.scheme() {
        "http" | "https" => http_git_auth(&parsed, name, data),
        "ssh" => ssh_git_auth(&parsed, name, data).map(GitAuth::Ssh),
        scheme => Err(SecretError::UnknownTransport { scheme: scheme.to_owned() }),
    }
}

fn http_git_auth(url: &Url, name: &str, data: &SecretData) -> Result<GitAuth, SecretError> {
    let tls = tls(name, data)?;
    if let Some(token) = text(data, "bearerToken")? {
        let auth = HttpAuth::Bearer(Secret::new(token.trim().to_owned()));
        return Ok(GitAuth::Http { auth, tls });
    }
    let or_url = |key: &'static str, in_url: Option<&str>| -> Result<Option<String>, SecretError> {
        let given = text(data, key)?.filter(|value| !value.is_empty());
        Ok(given.or_else(|| in_url.filter(|value| !value.is_empty()).map(percent_decode)))
    };
    let username = or_url("username", Some(url.username()))?;
    let password = or_url("password", url.password())?;
    let auth = match (username, password) {
        (None, None) => HttpAuth::None,
        (None, Some(_)) => {
            return Err(SecretError::PasswordAlone { transport: url.scheme().to_owned() });
        }
        (Some(username), password) => {
            HttpAuth::Basic { username, password: Secret::new(password.unwrap_or_default()) }
        }
    };
    Ok(GitAuth::Http { auth, tls })
}

fn ssh_git_auth(url: &Url, name: &str, data: &SecretData) -> Result<SshAuth, SecretError> {
    let missing = |key| SecretError::Missing { transport: "ssh".to_owned(), key };
    if url.host_str().is_none_or(str::is_empty) {
        return Err(missing("host"));
    }
    let bytes = |key: &'static str| {
        data.get(key).filter(|value| !value.is_empty()).cloned().ok_or_else(|| missing(key))
    };
    let identity = bytes("identity")?;
    let known_hosts = bytes("known_hosts")?;
    let passphrase = text(data, "password")?.filter(|value| !value.is_empty());
    if passphrase.is_none() && is_encrypted(&identity) {
        return Err(SecretError::PassphraseMissing { secret: name.to_owned() });
    }
    let user = match url.username() {
        "" => SSH_USER.to_owned(),
        user => percent_decode(user),
    };
    Ok(SshAuth {
        user,
        identity: Secret::new(identity),
        passphrase: passphrase.map(Secret::new),
        known_hosts,
    })
}

fn is_encrypted(identity: &[u8]) -> bool {
    let Ok(identity) = std::str::from_utf8(identity) else { return false };
    if identity.contains("BEGIN ENCRYPTED PRIVATE KEY")
        || identity.contains("Proc-Type: 4,ENCRYPTED")
    {
        return true;
    }
    russh::keys::PrivateKey::from_openssh(identity).is_ok_and(|key| key.is_encrypted())
}

/// Trust and client certificate: `tls.crt` with `tls.key`, and `ca.crt`; the older `certFile`,
/// `keyFile` and `caFile` count where the newer key is absent.
pub fn tls(secret: &str, data: &SecretData) -> Result<Tls, SecretError> {
    let either = |new: &'static str, old: &'static str| {
        let full = |key: &'static str| data.get(key).filter(|v| !v.is_empty()).map(|v| (key, v));
        full(new).or_else(|| full(old))
    };
    let half = |has, missing| SecretError::HalfTls { secret: secret.to_owned(), has, missing };
    let client = match (either("tls.crt", "certFile"), either("tls.key", "keyFile")) {
        (None, None) => None,
        (Some((_, certificate)), Some((_, key))) => {
            Some((certificate.clone(), Secret::new(key.clone())))
        }
        (Some((has, _)), None) => return Err(half(has, "tls.key")),
        (None, Some((has, _))) => return Err(half(has, "tls.crt")),
    };
    Ok(Tls { ca: either("ca.crt", "caFile").map(|(_, pem)| pem.clone()), client })
}

/// Credentials of an HTTP source that is not Git: `username` with `password`, or `bearerToken`.
pub fn http_auth(secret: &str, data: &SecretData) -> Result<HttpAuth, SecretError> {
    let half =
        |has, missing| SecretError::HalfBasicAuth { secret: secret.to_owned(), has, missing };
    match (text(data, "username")?, text(data, "password")?) {
        (Some(username), Some(password)) => {
            Ok(HttpAuth::Basic { username, password: Secret::new(password) })
        }
        (Some(_), None) => Err(half("username", "password")),
        (None, Some(_)) => Err(half("password", "username")),
        (None, None) => Ok(match text(data, "bearerToken")? {
            Some(token) => HttpAuth::Bearer(Secret::new(token)),
            None => HttpAuth::None,
        }),
    }
}

/// Whether a Secret holds a GitHub App, which `spec.provider: github` alone may use; not supported.
pub fn has_github_app(data: &SecretData) -> bool {
    data.keys().any(|key| key.starts_with("githubApp"))
}

/// A proxy: `address`, and `username` with `password` when it wants them.
pub fn proxy(secret: &str, data: &SecretData) -> Result<Proxy, SecretError> {
    let wrong = |reason: String| SecretError::Proxy { secret: secret.to_owned(), reason };
    let address = text(data, "address")?.unwrap_or_default();
    if address.is_empty() {
        return Err(SecretError::ProxyAddressEmpty { secret: secret.to_owned() });
    }
    if address.chars().count() > limits::PROXY_CHARS_MAX {
        let max = limits::PROXY_CHARS_MAX;
        return Err(wrong(format!("proxy URL exceeds maximum length of {max} characters")));
    }
    // The parser's own message is safe to show; the address may hold a password and is not.
    let mut url =
        Url::parse(&address).map_err(|e| wrong(format!("failed to parse proxy address: {e}")))?;
    if !matches!(url.scheme(), "http" | "https" | "socks5") {
        return Err(wrong(format!(
            "proxy URL must use one of the supported schemes (http, https, socks5), got '{}'",
            url.scheme()
        )));
    }
    let name = text(data, "username")?.unwrap_or_else(|| percent_decode(url.username()));
    let password = match text(data, "password")? {
        Some(password) => password,
        None => url.password().map(percent_decode).unwrap_or_default(),
    };
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let auth = (!name.is_empty()).then(|| (name, Secret::new(password)));
    Ok(Proxy { address: url.to_string(), auth })
}

fn text(data: &SecretData, key: &'static str) -> Result<Option<String>, SecretError> {
    let Some(bytes) = data.get(key) else { return Ok(None) };
    let text = std::str::from_utf8(bytes).map_err(|_| SecretError::NotText { key })?;
    Ok(Some(text.to_owned()))
}

/// Decodes `%41`; what is not such a pair stays.
pub(crate) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match pair {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> SecretData {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
    }

    fn basic(username: &str, password: &str) -> HttpAuth {
        HttpAuth::Basic {
            username: username.to_owned(),
            password: Secret::new(password.to_owned()),
        }
    }

    #[test]
    fn git_over_http() {
        let both: &[(&str, &str)] = &[("username", "u"), ("password", "p")];
        let token: &[(&str, &str)] = &[("username", "u"), ("bearerToken", "t")];
        let bearer = HttpAuth::Bearer(Secret::new("t".to_owned()));
        #[rustfmt::skip]
        let cases = [
            // why                   url                  secret                 want
            ("nothing asked",        "https://h/r",       &[] as &[_],           HttpAuth::None),
            ("name and password",    "https://h/r",       both,                  basic("u", "p")),
            ("a name alone",         "https://h/r",       &[("username", "u")],  basic("u", "")),
            ("in the URL",           "http://u:p%40@h/r", &[],                   basic("u", "p@")),
            ("the Secret wins",      "https://v:q@h/r",   both,                  basic("u", "p")),
            ("a token wins",         "https://h/r",       token,                 bearer),
        ];
        for (why, url, secret, want) in cases {
            let GitAuth::Http { auth, .. } =
                git_auth(url, Some(("ns/n", &data(secret)))).expect(why)
            else {
                panic!("{why}: not http")
            };
            assert_eq!(auth, want, "{why}");
        }
    }

    #[test]
    fn malformed_secrets_are_named() {
        let wrong = |url: &str, secret: &[(&str, &str)]| {
            git_auth(url, Some(("ns/n", &data(secret)))).expect_err(url).to_string()
        };
        assert_eq!(
            wrong("https://h/r", &[("password", "p")]),
            "invalid 'https' auth option: 'password' requires 'username' to be set"
        );
        assert_eq!(wrong("ssh://h/r", &[]), "invalid 'ssh' auth option: 'identity' is required");
        assert_eq!(
            wrong("ssh://h/r", &[("identity", "k")]),
            "invalid 'ssh' auth option: 'known_hosts' is required"
        );
        assert_eq!(wrong("ftp://h/r", &[]), "unknown transport 'ftp'");
        assert_eq!(
            wrong("https://h/r", &[("tls.crt", "c")]),
            "secret 'ns/n': malformed TLS - has 'tls.crt' but missing 'tls.key'"
        );
        let half = http_auth("ns/n", &data(&[("username", "u")])).expect_err("half");
        assert_eq!(
            half.to_string(),
            "secret 'ns/n': malformed basic auth - has 'username' but missing 'password'"
        );
    }

    #[test]
    fn newer_tls_keys_win() {
        let both =
            data(&[("ca.crt", "new"), ("caFile", "old"), ("certFile", "c"), ("keyFile", "k")]);
        let tls = tls("ns/n", &both).expect("complete");
        assert_eq!(tls.ca.as_deref(), Some(b"new".as_slice()));
        assert!(tls.client.is_some(), "the older names still count");
    }

    #[test]
    fn proxies() {
        let read = |pairs: &[(&str, &str)]| proxy("ns/n", &data(pairs));
        let plain = read(&[("address", "socks5://h:1080"), ("username", "u"), ("password", "p")]);
        let plain = plain.expect("a proxy");
        assert_eq!(plain.address, "socks5://h:1080");
        assert_eq!(plain.auth, Some(("u".to_owned(), Secret::new("p".to_owned()))));
        let inline = read(&[("address", "http://u:p@h:1080")]).expect("a proxy");
        assert_eq!(inline.address, "http://h:1080/");
        assert_eq!(inline.auth, plain.auth);
        let text = |pairs: &[(&str, &str)]| read(pairs).expect_err("wrong").to_string();
        assert_eq!(text(&[]), "secret 'ns/n': proxy address is empty");
        assert!(text(&[("address", "ftp://h")]).contains("(http, https, socks5), got 'ftp'"));
        let long = format!("http://{}", "h".repeat(2048));
        assert!(text(&[("address", &long)]).contains("maximum length of 2048"));
    }

    #[test]
    fn no_credential_is_printed() {
        let auth = git_auth(
            "https://h/r",
            Some((
                "ns/n",
                &data(&[
                    ("username", "u"),
                    ("password", "canary"),
                    ("tls.crt", "c"),
                    ("tls.key", "canary"),
                ]),
            )),
        );
        assert!(!format!("{auth:?}").contains("canary"));
    }
}
