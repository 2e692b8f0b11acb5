//! A man in the middle: passes statements on, changed, or answers them with an error of the server's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// What becomes of a statement: passed on (changed or not), or answered with a code and a text.
pub(super) type Rule = dyn Fn(&str) -> Result<String, (u32, &'static str)> + Send + Sync;

/// The address of a new proxy before `upstream`. Its threads end with the test.
pub(super) fn before(
    upstream: &str,
    rule: impl Fn(&str) -> Result<String, (u32, &'static str)> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (rule, upstream): (Arc<Rule>, Arc<str>) = (Arc::new(rule), upstream.into());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (rule, upstream) = (Arc::clone(&rule), Arc::clone(&upstream));
            std::thread::spawn(move || serve(stream, &*rule, &upstream));
        }
    });
    address
}

/// One request a connection; statements only, so bodies have a length.
fn serve(mut stream: TcpStream, rule: &Rule, upstream: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let target = first.split(' ').nth(1).unwrap_or("/").to_owned();
    let (mut length, mut headers) = (0, Vec::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
            break;
        }
        let (name, value) = line.trim_end().split_once(": ").unwrap();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap();
        } else if name.to_ascii_lowercase().starts_with("x-clickhouse") {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, mut head, body) = match rule(std::str::from_utf8(&body).unwrap()) {
        Err((code, text)) => {
            let body = format!("Code: {code}. DB::Exception: {text} (version 26.9.2.1)\n").into_bytes();
            (403, format!("X-ClickHouse-Exception-Code: {code}\r\n"), body)
        }
        Ok(sql) => {
            let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
            let mut request = agent.post(format!("{upstream}{target}"));
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let mut answer = request.send(sql.as_bytes()).unwrap();
            let head = match answer.headers().get("X-ClickHouse-Exception-Code") {
                Some(code) => format!("X-ClickHouse-Exception-Code: {}\r\n", code.to_str().unwrap()),
                None => String::new(),
            };
            (answer.status().as_u16(), head, answer.body_mut().read_to_vec().unwrap())
        }
    };
    head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()));
    // A client that went away needs no answer.
    let _ = stream.write_all(format!("HTTP/1.1 {status} x\r\n{head}").as_bytes());
    let _ = stream.write_all(&body);
}
