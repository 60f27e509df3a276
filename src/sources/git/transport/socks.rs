//! A connection through a SOCKS5 proxy (RFC 1928, with name and password as of RFC 1929).
//!
//! In: a stream to the proxy, the host to reach. Out: the same stream, now to the host, or what the
//! proxy said. The proxy looks the host's name up. Not here: proxies of HTTP requests.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

use crate::model::Secret;

const VERSION: u8 = 5;
const NO_AUTH: u8 = 0;
const NAME_AND_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const ADDRESS_V4: u8 = 1;
const ADDRESS_NAME: u8 = 3;
const ADDRESS_V6: u8 = 4;

/// Asks the proxy at the other end of `stream` to connect to `host`.
pub(super) async fn connect<S>(
    stream: &mut S,
    auth: Option<&(String, Secret<String>)>,
    host: &str,
    port: u16,
) -> io::Result<()>
where
    S: AsyncReadExt + AsyncWriteExt + Unpin,
{
    let method = if auth.is_some() { NAME_AND_PASSWORD } else { NO_AUTH };
    stream.write_all(&[VERSION, 1, method]).await?;
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await?;
    if answer != [VERSION, method] {
        return Err(refused("the proxy does not take this way to authenticate"));
    }
    if let Some((name, password)) = auth {
        let mut message = vec![1];
        push_counted(&mut message, name.as_bytes())?;
        push_counted(&mut message, password.expose().as_bytes())?;
        stream.write_all(&message).await?;
        stream.read_exact(&mut answer).await?;
        if answer[1] != 0 {
            return Err(refused("the proxy refuses name or password"));
        }
    }
    let mut request = vec![VERSION, CONNECT, 0, ADDRESS_NAME];
    push_counted(&mut request, host.as_bytes())?;
    request.extend(port.to_be_bytes());
    stream.write_all(&request).await?;
    read_reply(stream).await
}

async fn read_reply<S: AsyncReadExt + Unpin>(stream: &mut S) -> io::Result<()> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let length = match head[3] {
        ADDRESS_V4 => 4,
        ADDRESS_V6 => 16,
        ADDRESS_NAME => usize::from(stream.read_u8().await?),
        _ => return Err(refused("the proxy's answer makes no sense")),
    };
    // The address that the proxy connects from, and its port: of no use to us.
    stream.read_exact(&mut vec![0; length + 2]).await?;
    match head[1] {
        0 => Ok(()),
        2 => Err(refused("the proxy's rules do not allow this host")),
        3 => Err(refused("the proxy cannot reach the network")),
        4 => Err(refused("the proxy cannot reach the host")),
        5 => Err(refused("the host refuses the proxy's connection")),
        code => Err(refused(&format!("the proxy failed with code {code}"))),
    }
}

fn push_counted(message: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    let count = u8::try_from(bytes.len())
        .map_err(|_| refused("a name or password for the proxy has more than 255 bytes"))?;
    message.push(count);
    message.extend_from_slice(bytes);
    Ok(())
}

fn refused(reason: &str) -> io::Error {
    io::Error::other(reason.to_owned())
}
