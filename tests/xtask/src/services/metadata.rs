//! Asks a Kafka broker for its cluster (Metadata, version 1, of Kafka's protocol): it is ready when it knows
//! a controller and every broker.

use std::io::{Read as _, Write as _};

use super::http::connect;

const METADATA: i16 = 3;
const VERSION: i16 = 1;
const CORRELATION: i32 = 7;
/// An answer about no topic is small.
const ANSWER_BYTES: usize = 64 << 10;

/// An error while the broker on this port does not know `brokers` of them.
pub(super) fn ask(port: u16, brokers: usize) -> Result<(), String> {
    let mut stream = connect(port)?;
    stream.write_all(&request()).map_err(|error| error.to_string())?;
    let mut size = [0; 4];
    stream.read_exact(&mut size).map_err(|error| error.to_string())?;
    let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
    if size > ANSWER_BYTES {
        return Err("it does not answer as Kafka does".into());
    }
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer).map_err(|error| error.to_string())?;
    let (known, has_controller) = parse(&answer).ok_or("it does not answer as Kafka does")?;
    match (known == brokers, has_controller) {
        (true, true) => Ok(()),
        (_, false) => Err("it knows no controller yet".into()),
        (false, true) => Err(format!("it knows {known} brokers of {brokers}")),
    }
}

/// For no topics: of the cluster alone.
fn request() -> Vec<u8> {
    let client = b"xtask";
    let mut body = Vec::new();
    body.extend(METADATA.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(CORRELATION.to_be_bytes());
    body.extend((client.len() as i16).to_be_bytes());
    body.extend(client);
    body.extend(0i32.to_be_bytes());
    let mut request = (body.len() as i32).to_be_bytes().to_vec();
    request.extend(body);
    request
}

/// How many brokers there are, and whether one of them is the controller.
fn parse(answer: &[u8]) -> Option<(usize, bool)> {
    let mut rest = answer;
    if int(&mut rest)? != CORRELATION {
        return None;
    }
    let brokers = usize::try_from(int(&mut rest)?).ok()?;
    for _ in 0..brokers {
        let _node = int(&mut rest)?;
        skip_text(&mut rest)?;
        let _port = int(&mut rest)?;
        skip_text(&mut rest)?;
    }
    Some((brokers, int(&mut rest)? >= 0))
}

fn int(rest: &mut &[u8]) -> Option<i32> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(i32::from_be_bytes(*head))
}

/// A negative length stands for no text.
fn skip_text(rest: &mut &[u8]) -> Option<()> {
    let (head, tail) = rest.split_first_chunk()?;
    let length = usize::try_from(i16::from_be_bytes(*head)).unwrap_or(0);
    *rest = tail.get(length..)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// As the protocol's definition has it: two brokers, one without a rack, and the controller's id.
    fn answer(controller: i32) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 7, 0, 0, 0, 2];
        for rack in [&[0, 1, b'r'][..], &[255, 255]] {
            bytes.extend([0, 0, 0, 1, 0, 4, b'h', b'o', b's', b't', 0, 0, 35, 132]);
            bytes.extend(rack);
        }
        bytes.extend(controller.to_be_bytes());
        bytes
    }

    #[test]
    fn brokers_are_counted_and_the_controller_is_seen() {
        assert_eq!(parse(&answer(1)), Some((2, true)));
        assert_eq!(parse(&answer(-1)), Some((2, false)));
    }

    #[test]
    fn anything_else_is_no_answer() {
        let whole = answer(1);
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), None, "{end}");
        }
        assert_eq!(parse(b"HTTP/1.1 400 Bad Request\r\n"), None);
    }
}
