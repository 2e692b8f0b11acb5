//! A client of its own, and a bucket that is gone when its test is.

use uuid::Uuid;

use super::sign::{sha256, signed_headers};

/// What a store answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A store, spoken to in plain HTTP.
#[derive(Clone, Debug)]
pub struct Raw {
    /// `http://host:port`.
    pub url: String,
}

impl Raw {
    /// One signed request. `target` is path and query, encoded. Blocks.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let host = self.url.strip_prefix("http://").unwrap();
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{target}", self.url));
        for (name, value) in signed_headers(method, target, host, &sha256(body), &[]) {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = match method {
            "PUT" | "POST" => agent.run(request.body(body.to_vec()).unwrap()).unwrap(),
            _ => agent.run(request.body(()).unwrap()).unwrap(),
        };
        let headers = answer.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("").to_owned()));
        let headers = headers.collect();
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        Answer { status, headers, body }
    }
}

/// A bucket of its own for one test.
#[derive(Debug)]
pub struct TestBucket {
    /// The store.
    pub raw: Raw,
    /// Its name.
    pub name: String,
}

impl TestBucket {
    /// Makes it. Blocks.
    pub fn make(url: &str) -> Self {
        let bucket = Self::name_only(url);
        let made = bucket.send("PUT", "", &[], b"");
        assert_eq!(made.status, 200, "{}", made.text());
        bucket
    }

    /// A name for a bucket that is not made (by us), and is cleared away all the same.
    pub fn name_only(url: &str) -> Self {
        Self { raw: Raw { url: url.to_owned() }, name: format!("replay-test-{}", Uuid::new_v4().simple()) }
    }

    /// A request for something in it: `rest` follows the bucket's name. Blocks.
    pub fn send(&self, method: &str, rest: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.raw.send(method, &format!("/{}{rest}", self.name), headers, body)
    }

    /// From now on it keeps versions.
    pub fn keep_versions(&self) {
        let body = b"<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                     <Status>Enabled</Status></VersioningConfiguration>";
        let answer = self.send("PUT", "?versioning=", &[], body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Key and id of every version and every marker of a deletion.
    pub fn versions(&self) -> Vec<(String, String)> {
        let text = self.send("GET", "?versions=", &[], b"").text();
        values(&text, "Key").into_iter().zip(values(&text, "VersionId")).collect()
    }

    /// Key and id of every unfinished upload of this key.
    pub fn uploads(&self, key: &str) -> Vec<(String, String)> {
        let text =
            self.send("GET", &format!("?prefix={}&uploads=", key.replace('/', "%2F")), &[], b"").text();
        values(&text, "Key").into_iter().zip(values(&text, "UploadId")).collect()
    }

    /// Begins an upload, sends a part, and leaves it at that. Returns its id.
    pub fn abandon_upload(&self, key: &str) -> String {
        let begun = self.send("POST", &format!("/{key}?uploads="), &[], b"").text();
        let id = values(&begun, "UploadId").remove(0);
        let sent = self.send("PUT", &format!("/{key}?partNumber=1&uploadId={id}"), &[], b"part");
        assert_eq!(sent.status, 200, "{}", sent.text());
        id
    }

    fn clear(&self) {
        let listed = self.send("GET", "?list-type=2", &[], b"").text();
        let keys = values(&listed, "Key");
        for (key, id) in self.versions() {
            self.send("DELETE", &format!("/{key}?versionId={id}"), &[], b"");
        }
        for key in keys {
            self.send("DELETE", &format!("/{key}"), &[], b"");
        }
        for (key, id) in self.uploads("") {
            self.send("DELETE", &format!("/{key}?uploadId={id}"), &[], b"");
        }
    }
}

impl Drop for TestBucket {
    fn drop(&mut self) {
        // A test that failed says why itself.
        for _ in 0..100 {
            if std::thread::panicking() || self.send("DELETE", "", &[], b"").status != 409 {
                break;
            }
            self.clear();
        }
    }
}

/// The texts of all elements of this name, in order.
pub fn values(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let pieces = xml.split(&open).skip(1);
    pieces
        .filter_map(|piece| Some(piece.split_once(&close)?.0.replace("&#34;", "\"").replace("&quot;", "\"")))
        .collect()
}
