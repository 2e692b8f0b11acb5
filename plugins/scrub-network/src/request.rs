//! What a field says of a request. Fields have a name and an order, and no path: what is not surely
//! something else is a body.

use replay_plugin::Field;
use replay_plugin::matching::path_of;

/// What a field is of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Its address.
    Address,
    /// A word for programs: `GET`, `fetch`, `h2`.
    Word,
    /// The name or the value of this header.
    Header(&'a str),
    /// Its body, what it answered, or what nobody knows.
    Body,
}

/// The fields of a chunk's requests, in order.
#[derive(Debug, Default)]
pub(crate) struct Parts<'a> {
    /// The event of the last header's name, and that name: its value comes next.
    header: Option<(u32, &'a str)>,
    /// Of headers that are a list of objects, whether the last field was what a header is called.
    in_list: bool,
}

impl<'a> Parts<'a> {
    /// What the next field is.
    pub(crate) fn of(&mut self, field: Field<'a>) -> Part<'a> {
        let (name, text) = (field.name(), field.text());
        let header = self.header.filter(|(event, _)| *event == field.event()).map(|(_, name)| name);
        match name {
            "requestHeaders" | "responseHeaders" if self.in_list && matches!(text, "name" | "value") => {
                // The keys of `[{"name": "accept", "value": "…"}]`.
                header.filter(|_| text == "value").map_or(Part::Word, Part::Header)
            }
            "requestHeaders" | "responseHeaders" => {
                self.in_list = text == "name";
                self.header = (!self.in_list).then_some((field.event(), text));
                if self.in_list { Part::Word } else { Part::Header(text) }
            }
            "name" if self.in_list && is_token(text) => {
                self.header = Some((field.event(), text));
                Part::Header(text)
            }
            "value" if self.in_list => header.map_or(Part::Body, Part::Header),
            _ if header.is_some_and(|header| header == name) => Part::Header(name),
            _ => {
                (self.header, self.in_list) = (None, false);
                rest(name, text)
            }
        }
    }
}

fn rest<'a>(name: &str, text: &str) -> Part<'a> {
    let is_word = match name {
        "name" | "url" if is_address(text) => return Part::Address,
        "method" => text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_uppercase()),
        "entryType"
        | "initiatorType"
        | "deliveryType"
        | "renderBlockingStatus"
        | "responseType"
        | "nextHopProtocol" => {
            text.len() <= 24
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || b"0123456789/.-".contains(&byte))
        }
        _ => false,
    };
    if is_word { Part::Word } else { Part::Body }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn is_address(text: &str) -> bool {
    let is_space = text.contains(char::is_whitespace);
    !is_space && (path_of(text).is_some() || text.starts_with(['/', '?', '.']) || text.starts_with("blob:"))
}

/// The path of an address, or of one without a host.
pub(crate) fn path(url: &str) -> &str {
    path_of(url).unwrap_or_else(|| url.split(['?', '#']).next().unwrap_or(url))
}
