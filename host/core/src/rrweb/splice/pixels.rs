//! What an emptied picture is written as.

use super::raw::begins_with;
use crate::rrweb::scan::Shape;

/// One transparent pixel.
const EMPTY_PICTURE: &[u8] =
    b"data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";

/// The raw bytes that come in the place of `raw`: for a `data:` URL a picture of one pixel, for other
/// strings the empty one, for numbers as many zeros.
pub(in crate::rrweb) fn emptied(raw: &[u8], shape: Shape) -> Vec<u8> {
    match shape {
        Shape::String | Shape::Key if begins_with(raw, "data:") => EMPTY_PICTURE.to_vec(),
        Shape::String | Shape::Key => Vec::new(),
        Shape::Number => b"0".to_vec(),
        Shape::Numbers => zeros(raw),
    }
}

/// Each number becomes 0; brackets, commas and whatever else there is stay.
fn zeros(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [first, after @ ..] = rest {
        let is_number = first.is_ascii_digit() || *first == b'-';
        let is_rest = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
        let used = if is_number { after.iter().take_while(|byte| is_rest(byte)).count() } else { 0 };
        out.push(if is_number { b'0' } else { *first });
        rest = after.get(used..).unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_emptied_by_shape() {
        assert_eq!(emptied(br"data:image\/png;base64,AAAA", Shape::String), EMPTY_PICTURE);
        assert_eq!(emptied(b"AAAA", Shape::String), b"");
        assert_eq!(emptied(b"[1,-2.5e+3, 255,null,[0]]", Shape::Numbers), b"[0,0, 0,null,[0]]");
    }
}
