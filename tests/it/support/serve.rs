//! A small HTTP server on loopback that answers on a thread of its own.
//!
//! A test may block its own thread, for example while it waits for a child process; the servers
//! that the child talks to must answer meanwhile.

use axum::Router;
use bytes::Bytes;
use futures::Stream;
use futures::stream;
use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// A port that nobody has, for a program that has to be told one: below the range from which
/// outgoing connections take theirs, and not the one that the last call gave.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 10_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(101);
    let ports = std::iter::repeat_with(|| {
        let number = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        u16::try_from(FIRST + number % COUNT).expect("it is below 65536")
    });
    let mut free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("the ports never end")
}

/// A running server; dropping it closes its port and its connections.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `router` on a free port of the loopback address.
    pub(crate) fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime needs only memory");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener)
                    .expect("the socket is non-blocking and the runtime is running");
                ready.send(()).expect("the starter waits for this");
                tokio::select! {
                    served = axum::serve(listener, router) => served.expect("axum serves for ever"),
                    _ = stopped => {}
                }
            });
        });
        is_ready.recv().expect("the thread says when it serves");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it answers, `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The runtime, and with it each open connection, goes with the thread.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// The end of an answer that breaks off: lets the bytes before it leave, then fails, upon which the
/// server closes the connection instead of ending the answer well.
pub(crate) fn broken_off() -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::other("broken off by the test"))
    })
}
