//! A proxy between a client and a store that changes what is said on the way, and signs anew, as a gateway
//! in front of a store would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use replay_core::time::Day;

use super::sign::signed_headers;

/// What the client said.
#[derive(Debug)]
pub struct Said {
    /// The HTTP method.
    pub method: String,
    /// Path and query, encoded.
    pub target: String,
    /// Names in lower case. What is taken out does not reach the store.
    pub headers: Vec<(String, String)>,
}

impl Said {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Takes a header out.
    pub fn strip(&mut self, name: &str) {
        self.headers.retain(|(found, _)| found != name);
    }
}

/// What becomes of it.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It reaches the store, and the store's answer the client.
    Pass,
    /// It reaches the store, and the client gets the answer with another `Date`.
    PassDated(String),
    /// It reaches the store; the connection breaks before the answer comes back.
    LoseAnswer,
    /// The store never sees it; this is the answer: status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The store never sees it, and nothing is answered: the connection breaks.
    Break,
}

impl Fate {
    /// A store's error.
    pub fn error(status: u16, code: &str) -> Self {
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
        Self::Answer(status, Vec::new(), body)
    }
}

/// Runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
}

impl Proxy {
    /// A proxy to `upstream` (`http://host:port`). `decide` sees, and may change, every request.
    pub fn start(upstream: &str, decide: impl Fn(&mut Said) -> Fate + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let upstream = upstream.strip_prefix("http://").unwrap().to_owned();
        let decide = Arc::new(decide);
        let over = Arc::clone(&is_over);
        thread::spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (upstream, decide) = (upstream.clone(), Arc::clone(&decide));
                // Clients hang up as they like.
                thread::spawn(move || client.and_then(|client| serve(&client, &upstream, &*decide)));
            }
        });
        Self { url: format!("http://{address}"), address, is_over }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

/// One request a connection.
fn serve(client: &TcpStream, upstream: &str, decide: &dyn Fn(&mut Said) -> Fate) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let (first, headers) = read_head(&mut reader)?;
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or("").to_owned(), words.next().unwrap_or("").to_owned());
    let mut said = Said { method, target, headers };
    if said.header("expect").is_some() {
        (&mut &*client).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let length = said.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;

    let fate = decide(&mut said);
    let answer = match &fate {
        Fate::Break => return Ok(()),
        Fate::Answer(status, headers, body) => {
            let mut answer = format!("HTTP/1.1 {status} Said\r\ndate: {}\r\n", http_date(SystemTime::now()));
            if !headers.iter().any(|(name, _)| *name == "content-length") {
                answer += &format!("content-length: {}\r\n", body.len());
            }
            for (name, value) in headers {
                answer += &format!("{name}: {value}\r\n");
            }
            let body = if said.method == "HEAD" { "" } else { body };
            return (&mut &*client).write_all(format!("{answer}connection: close\r\n\r\n{body}").as_bytes());
        }
        Fate::Pass | Fate::PassDated(_) | Fate::LoseAnswer => ask(upstream, said, &body)?,
    };
    let mut answer = BufReader::new(answer);
    let (status, mut headers) = read_head(&mut answer)?;
    match fate {
        Fate::LoseAnswer => {
            std::io::copy(&mut answer, &mut std::io::sink())?;
            return Ok(());
        }
        Fate::PassDated(date) => {
            headers.retain(|(name, _)| name != "date");
            headers.push(("date".into(), date));
        }
        Fate::Pass | Fate::Answer(..) | Fate::Break => {}
    }
    let mut head = format!("{status}\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| name != "connection") {
        head += &format!("{name}: {value}\r\n");
    }
    (&mut &*client).write_all(format!("{head}connection: close\r\n\r\n").as_bytes())?;
    std::io::copy(&mut answer, &mut &*client)?;
    Ok(())
}

/// Says it to the store, signed anew. The store answers and closes.
fn ask(upstream: &str, mut said: Said, body: &[u8]) -> std::io::Result<TcpStream> {
    let hash = said.header("x-amz-content-sha256").unwrap_or("UNSIGNED-PAYLOAD").to_owned();
    for name in ["host", "authorization", "x-amz-content-sha256", "x-amz-date", "connection", "expect"] {
        said.strip(name);
    }
    let signed = signed_headers(&said.method, &said.target, upstream, &hash, &said.headers);
    said.headers.extend(signed);
    let mut head = format!("{} {} HTTP/1.1\r\nhost: {upstream}\r\n", said.method, said.target);
    for (name, value) in &said.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut store = TcpStream::connect(upstream)?;
    store.write_all(format!("{head}connection: close\r\n\r\n").as_bytes())?;
    // A store that refuses does so without reading to the end: its answer is there all the same.
    let _ = store.write_all(body);
    Ok(store)
}

/// The first line, and the headers with names in lower case.
fn read_head(reader: &mut impl BufRead) -> std::io::Result<(String, Vec<(String, String)>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let mut lines = lines.into_iter();
    let first = lines.next().unwrap_or_default();
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    Ok((first, headers.collect()))
}

/// As HTTP writes a moment: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(at: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = at.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (year, month, day) = Day::of(seconds * 1000).date();
    let weekday = DAYS[(seconds / 86_400 % 7) as usize];
    let month = MONTHS[month as usize - 1];
    let of_day = seconds % 86_400;
    let (hours, minutes) = (of_day / 3600, of_day / 60 % 60);
    format!("{weekday}, {day:02} {month} {year} {hours:02}:{minutes:02}:{:02} GMT", of_day % 60)
}
