//! `sshd` for tests, run by the user who runs them.

use std::fs;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;

use tempfile::TempDir;

use crate::support::git::Repository;
use crate::support::git::run;
use crate::support::wait::until_blocking;

/// `sshd` on loopback, for the user who runs the tests.
pub(crate) struct SshHost {
    /// Below it are the repositories.
    pub(crate) root: TempDir,
    /// Its port.
    pub(crate) port: u16,
    child: Child,
}

impl SshHost {
    /// Starts a server that lets the key `<root>/client` in. `kinds` are the kinds of its host
    /// keys.
    pub(crate) fn start(kinds: &[&str]) -> Self {
        Self::start_with(kinds, "AcceptEnv GIT_PROTOCOL")
    }

    /// Starts it with one more line of configuration.
    pub(crate) fn start_with(kinds: &[&str], line: &str) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let at = root.path();
        let path = |name: &str| at.join(name).to_str().expect("UTF-8").to_owned();
        let mut config = String::from(
            "UsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n\
             LogLevel VERBOSE\n",
        );
        config.push_str(&format!("{line}\n"));
        for kind in kinds {
            run(
                "ssh-keygen",
                &["-q", "-t", kind, "-N", "", "-f", &path(&format!("host_{kind}"))],
                at,
            );
            config.push_str(&format!("HostKey {}\n", path(&format!("host_{kind}"))));
        }
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path("client")], at);
        fs::copy(path("client.pub"), path("authorized_keys")).expect("a copy");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        config.push_str(&format!(
            "Port {port}\nListenAddress 127.0.0.1\nAuthorizedKeysFile {}\nPidFile {}\n",
            path("authorized_keys"),
            path("pid")
        ));
        fs::write(path("sshd_config"), config).expect("a file");
        // sshd of root wants this directory, that of an ordinary user does not.
        let _ = fs::create_dir_all("/run/sshd");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", &path("sshd_config")])
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stderr(fs::File::create(path("log")).expect("a file"))
            .spawn()
            .expect("sshd is installed (Debian: openssh-server)");
        let host = Self { root, port, child };
        host.wait_until_up();
        host
    }

    fn wait_until_up(&self) {
        until_blocking("sshd listens", || TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    /// What the server logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.root.path().join("log")).unwrap_or_default()
    }

    /// The content of a file below the root, such as `client` or `host_ed25519.pub`.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root.path().join(name)).expect("made before")
    }

    /// A line of known_hosts for a host key of this kind.
    pub(crate) fn known_hosts(&self, kind: &str) -> String {
        format!("[127.0.0.1]:{} {}", self.port, self.read(&format!("host_{kind}.pub")))
    }

    /// The URL of a repository.
    pub(crate) fn url(&self, name: &str) -> String {
        let user = run("id", &["-un"], self.root.path());
        let at = self.root.path().join(format!("{name}.git"));
        format!("ssh://{user}@127.0.0.1:{}{}", self.port, at.display())
    }

    /// Creates a repository.
    pub(crate) fn repository(&self, name: &str) -> Repository {
        Repository::create(self.root.path(), name)
    }
}

impl Drop for SshHost {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
