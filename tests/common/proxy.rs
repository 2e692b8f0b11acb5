//! The proxy passes every byte, and takes the network away as it says.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use replay_tests::proxy::{Network, Proxy};
use replay_tests::service::PATIENCE;

/// Long enough to tell "nothing comes" from "it comes", on loopback.
const NOTHING_COMES: Duration = Duration::from_millis(300);

/// A server that sends back what it gets, to the end.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            // Resets are what these tests are about.
            thread::spawn(move || std::io::copy(&mut client.try_clone().unwrap(), &mut client));
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect(proxy.address()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

/// Sends a word and waits for it to come back.
fn ask(client: &mut TcpStream, word: &[u8; 4]) -> std::io::Result<[u8; 4]> {
    client.write_all(word)?;
    let mut answer = [0; 4];
    client.read_exact(&mut answer)?;
    Ok(answer)
}

/// Whether nothing can be read for a while, although the connection lives.
fn is_silent(client: &mut TcpStream) -> bool {
    client.set_read_timeout(Some(NOTHING_COMES)).unwrap();
    let error = client.read_exact(&mut [0; 4]).unwrap_err();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[test]
fn every_byte_arrives_and_so_does_the_end() {
    let proxy = Proxy::start(&echo());
    let client = connect(&proxy);
    let sent: Vec<u8> = (0..5_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (mut reader, mut writer) = (client.try_clone().unwrap(), client);
    let expected = sent.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut came = Vec::new();
    reader.read_to_end(&mut came).unwrap();
    writing.join().unwrap();
    assert!(came == expected, "{} of {} bytes", came.len(), expected.len());
    assert_eq!(proxy.passed_bytes(), (5_000_000, 5_000_000));
}

#[test]
fn a_cut_resets_what_is_open_and_what_comes_until_it_is_over() {
    let proxy = Proxy::start(&format!("http://{}/", echo()));
    let mut client = connect(&proxy);
    assert_eq!(&ask(&mut client, b"once").unwrap(), b"once");
    assert_eq!(proxy.connections(), 1);
    proxy.set(Network::Cut);
    assert_eq!(client.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(ask(&mut connect(&proxy), b"none").is_err());
    proxy.set(Network::Open);
    assert_eq!(&ask(&mut connect(&proxy), b"more").unwrap(), b"more");
}

#[test]
fn a_stall_holds_everything_back_and_loses_nothing() {
    let proxy = Proxy::start(&echo());
    let mut old = connect(&proxy);
    assert_eq!(&ask(&mut old, b"once").unwrap(), b"once");
    proxy.set(Network::Stalled);
    let mut new = connect(&proxy);
    old.write_all(b"old!").unwrap();
    new.write_all(b"new!").unwrap();
    assert!(is_silent(&mut old) && is_silent(&mut new));
    assert_eq!(proxy.passed_bytes(), (4, 4));
    proxy.set(Network::Open);
    for (client, word) in [(&mut old, b"old!"), (&mut new, b"new!")] {
        let mut answer = [0; 4];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, word);
    }
}

#[test]
fn a_stall_can_end_in_a_cut() {
    let proxy = Proxy::start(&echo());
    proxy.set(Network::Stalled);
    let mut client = connect(&proxy);
    client.write_all(b"lost").unwrap();
    proxy.set(Network::Cut);
    assert_eq!(client.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(proxy.passed_bytes(), (0, 0));
}

#[test]
fn a_slow_network_takes_its_time() {
    let proxy = Proxy::start(&echo());
    proxy.set(Network::Slow { bytes_per_s: 100_000 });
    let mut client = connect(&proxy);
    let start = Instant::now();
    client.write_all(&[7; 50_000]).unwrap();
    client.read_exact(&mut [0; 50_000]).unwrap();
    // Half a second to the server; the way back overlaps with it.
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
}

#[test]
fn without_its_proxy_a_connection_is_reset() {
    let proxy = Proxy::start(&echo());
    let mut client = connect(&proxy);
    assert_eq!(&ask(&mut client, b"once").unwrap(), b"once");
    drop(proxy);
    assert_eq!(client.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}
