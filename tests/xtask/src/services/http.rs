//! One HTTP request over a loopback connection: enough to ask a server whether it is ready.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(5);
/// The most of an answer that is read.
const ANSWER_BYTES: u64 = 64 << 10;

/// The status and what follows the status line, headers included.
pub(super) fn get(port: u16, path: &str) -> Result<(u16, String), String> {
    let mut stream = connect(port)?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut answer).map_err(|error| error.to_string())?;
    let answer = String::from_utf8_lossy(&answer);
    let (first, rest) = answer.split_once("\r\n").ok_or("it does not answer in HTTP")?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((status.ok_or_else(|| format!("it answers `{first}`"))?, rest.to_owned()))
}

/// A connection that never waits for long.
pub(super) fn connect(port: u16) -> Result<TcpStream, String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let stream = TcpStream::connect_timeout(&address, CONNECT).map_err(|error| error.to_string())?;
    let bounded = stream.set_read_timeout(Some(ANSWER)).and(stream.set_write_timeout(Some(ANSWER)));
    bounded.map_err(|error| error.to_string())?;
    Ok(stream)
}
