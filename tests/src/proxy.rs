//! A TCP proxy before a server: the network between a service and its store, which a test can cut, stall, slow
//! and give back while both run.
//!
//! It knows no protocol. Headers on the way are changed by a proxy that speaks HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// Most bytes that are in the proxy's hands in one direction of a connection.
const PIECE_BYTES: usize = 16 << 10;

/// What the network does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Everything passes.
    Open,
    /// At most so many bytes a second pass, in each direction of each connection.
    Slow {
        /// Bytes a second.
        bytes_per_s: u32,
    },
    /// Connections stay, and new ones are taken, but no byte arrives: what a lost route looks like.
    Stalled,
    /// Connections are reset, and so is each new one: what a server that went away looks like.
    Cut,
}

/// Runs until it is dropped, which resets its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    counts: Arc<Counts>,
    /// Dropped, it ends the thread.
    running: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    to_server_bytes: AtomicU64,
    to_client_bytes: AtomicU64,
}

impl Proxy {
    /// A proxy on a free port of loopback, to a server as `host:port` or as a URL.
    pub fn start(server: &str) -> Self {
        Self::start_on("127.0.0.1:0", server)
    }

    /// The same on a given address: for servers that tell their clients where to come back to, as Kafka does.
    pub fn start_on(address: &str, server: &str) -> Self {
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let server =
            server.split_once("://").map_or(server, |(_, rest)| rest).trim_end_matches('/').to_owned();
        let (network, changes) = watch::channel(Network::Open);
        let (running, ended) = oneshot::channel();
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        // A runtime of its own: tests with and without one use it alike.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let listener = runtime.block_on(async { TcpListener::from_std(listener) }).unwrap();
            runtime.block_on(accept(&listener, &server, &changes, &shared, ended));
        });
        Self { address, network, counts, running: Some(running), thread: Some(thread) }
    }

    /// Where clients come in, as `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the network does from now on, for connections that are open too.
    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Bytes that were passed on so far: to the server, and back to clients.
    pub fn passed_bytes(&self) -> (u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::SeqCst);
        (load(&self.counts.to_server_bytes), load(&self.counts.to_client_bytes))
    }
}

impl Drop for Proxy {
    /// Waited for: its port is free then.
    fn drop(&mut self) {
        self.set(Network::Cut);
        self.running = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Until the proxy is dropped; then every connection is reset.
async fn accept(
    listener: &TcpListener,
    server: &str,
    changes: &watch::Receiver<Network>,
    counts: &Arc<Counts>,
    mut ended: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        let client = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut ended => break,
        };
        // A client that went away before it was taken.
        let Ok((client, _)) = client else { continue };
        let (server, changes, counts) = (server.to_owned(), changes.clone(), Arc::clone(counts));
        connections.spawn(async move {
            counts.connections.fetch_add(1, Ordering::SeqCst);
            let _ = serve(client, &server, changes, &counts).await;
            counts.connections.fetch_sub(1, Ordering::SeqCst);
        });
    }
    while connections.join_next().await.is_some() {}
}

/// One connection, until both sides have ended it or the network has.
async fn serve(
    mut client: TcpStream,
    server: &str,
    mut changes: watch::Receiver<Network>,
    counts: &Counts,
) -> io::Result<()> {
    // A network that is stalled does not reach the server either.
    let server = if passes(&mut changes).await { TcpStream::connect(server).await.ok() } else { None };
    let Some(mut server) = server else { return client.set_zero_linger() };
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut cut = changes.clone();
    let has_ended = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let both = async {
            tokio::try_join!(
                pump(from_client, to_server, changes.clone(), &counts.to_server_bytes),
                pump(from_server, to_client, changes.clone(), &counts.to_client_bytes),
            )
        };
        tokio::select! {
            ended = both => ended.is_ok(),
            _ = cut.wait_for(|network| *network == Network::Cut) => false,
        }
    };
    if !has_ended {
        // Closed in any other way than by both sides' ends, it is reset: nobody may take half an answer for a
        // whole one.
        client.set_zero_linger()?;
        server.set_zero_linger()?;
    }
    Ok(())
}

/// One direction, until its end, which is passed on.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut changes: watch::Receiver<Network>,
    passed: &AtomicU64,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = from.read(&mut piece).await?;
        if !passes(&mut changes).await {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if read == 0 {
            return to.shutdown().await;
        }
        let now = *changes.borrow();
        if let Network::Slow { bytes_per_s } = now {
            tokio::time::sleep(Duration::from_secs_f64(read as f64 / f64::from(bytes_per_s))).await;
        }
        to.write_all(&piece[..read]).await?;
        passed.fetch_add(read as u64, Ordering::SeqCst);
    }
}

/// Waits while the network is stalled. `false`: it is cut, or the proxy is gone.
async fn passes(changes: &mut watch::Receiver<Network>) -> bool {
    changes
        .wait_for(|network| *network != Network::Stalled)
        .await
        .is_ok_and(|network| *network != Network::Cut)
}
