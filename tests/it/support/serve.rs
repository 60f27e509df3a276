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
use std::sync::mpsc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

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
