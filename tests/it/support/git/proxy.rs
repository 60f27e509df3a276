//! A SOCKS5 and HTTP CONNECT proxy for tests, which asks for name and password.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A proxy on loopback; name `ada`, password `pass`. It takes `git.test` for `localhost`.
pub(crate) struct ProxyHost {
    /// Its port.
    pub(crate) port: u16,
    reached: Arc<Mutex<Vec<String>>>,
}

impl ProxyHost {
    /// Starts it; it serves until the test ends.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let reached = Arc::new(Mutex::new(Vec::new()));
        let log = reached.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = log.clone();
                // A broken connection is the client's affair.
                thread::spawn(move || drop(serve(stream, &log)));
            }
        });
        Self { port, reached }
    }

    /// The hosts and ports that it connected to since the last call.
    pub(crate) fn reached(&self) -> Vec<String> {
        std::mem::take(&mut *self.reached.lock().expect("no panic"))
    }
}

fn serve(mut client: TcpStream, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut first = [0; 1];
    client.read_exact(&mut first)?;
    let target = if first[0] == 5 { socks(&mut client)? } else { connect(&mut client)? };
    let Some(target) = target else { return Ok(()) };
    let server = TcpStream::connect(target.replace("git.test", "127.0.0.1"))?;
    log.lock().expect("no panic").push(target);
    let ok: &[u8] = if first[0] == 5 {
        &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    } else {
        b"HTTP/1.1 200 Connected\r\n\r\n"
    };
    client.write_all(ok)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || io::copy(&mut from, &mut to));
    let (mut from, mut to) = (server, client);
    io::copy(&mut from, &mut to)?;
    to.shutdown(std::net::Shutdown::Both)
}

fn counted(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut count = [0; 1];
    client.read_exact(&mut count)?;
    let mut bytes = vec![0; usize::from(count[0])];
    client.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn socks(client: &mut TcpStream) -> io::Result<Option<String>> {
    let methods = counted(client)?;
    if !methods.contains(&2) {
        client.write_all(&[5, 0xff])?;
        return Ok(None);
    }
    client.write_all(&[5, 2])?;
    client.read_exact(&mut [0; 1])?;
    let (name, password) = (counted(client)?, counted(client)?);
    if name != b"ada" || password != b"pass" {
        client.write_all(&[1, 1])?;
        return Ok(None);
    }
    client.write_all(&[1, 0])?;
    let mut head = [0; 4];
    client.read_exact(&mut head)?;
    let host = if head[3] == 1 {
        let mut address = [0; 4];
        client.read_exact(&mut address)?;
        std::net::Ipv4Addr::from(address).to_string()
    } else {
        String::from_utf8_lossy(&counted(client)?).into_owned()
    };
    let mut port = [0; 2];
    client.read_exact(&mut port)?;
    Ok(Some(format!("{host}:{}", u16::from_be_bytes(port))))
}

fn connect(client: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0; 1];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let wanted = format!("basic {}", STANDARD.encode("ada:pass"));
    if !head.to_lowercase().contains(&wanted.to_lowercase()) {
        client.write_all(b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n")?;
        return Ok(None);
    }
    // The method's first letter was read before.
    Ok(head.split(' ').nth(1).map(str::to_owned))
}
