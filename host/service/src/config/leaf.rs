//! The kinds of values a setting may have: how each is read, bounded, shown and described.
//!
//! A setting is declared as a kind and its default: `time().within(SECOND, HOUR).or(30 * SECOND)`.
//! The same declaration reads the file, fills the gap when the key is left out, and writes the JSON
//! Schema, so that a default exists once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::node::{Data, Node, Scalar};
use super::report::{Problems, Span};
use super::secret::Secret;
use super::units::{Wrong, parse_size, parse_time, show_size, show_time, wrong};

/// How a setting is read: a kind of value with what happens when the key is left out.
pub(super) trait Kind {
    type Out;
    /// Reads what the file says; `None` once a problem has been reported. `path` names the key.
    fn read(&self, node: &Node, path: &str, problems: &mut Problems) -> Option<Self::Out>;
    /// What holds when the file says nothing, or something wrong.
    fn absent(&self) -> Self::Out;
    /// For editors: a JSON Schema.
    fn schema(&self) -> Json;
}

/// Says which type a kind is of, so that its numbers need no suffix.
pub(super) fn of<T, K: Kind<Out = T>>(kind: K) -> K {
    kind
}

/// A kind of scalar.
pub(super) struct Leaf<T> {
    parse: fn(&str) -> Result<T, Wrong>,
    show: fn(&T) -> Json,
    shape: Json,
    bounds: Option<Bounds<T>>,
    secret: bool,
}

struct Bounds<T> {
    least: T,
    most: T,
    outside: fn(&T, &T, &T) -> bool,
}

impl<T> Leaf<T> {
    fn new(parse: fn(&str) -> Result<T, Wrong>, show: fn(&T) -> Json, shape: Json) -> Self {
        Self { parse, show, shape, bounds: None, secret: false }
    }

    /// Both bounds are allowed values.
    pub(super) fn within(mut self, least: T, most: T) -> Self
    where
        T: PartialOrd,
    {
        self.bounds = Some(Bounds { least, most, outside: |value, a, b| value < a || value > b });
        self
    }

    /// With a default.
    pub(super) fn or(self, default: T) -> Or<T> {
        Or { leaf: self, default, words: None }
    }

    /// With a default that depends on the machine or on other settings, described in words.
    pub(super) fn or_derived(self, default: T, words: &str) -> Or<T> {
        Or { leaf: self, default, words: Some(format!("Default: {words}.")) }
    }

    /// May be left out, or `null`.
    pub(super) fn optional(self) -> Optional<T> {
        Optional(self)
    }

    /// A list of them.
    pub(super) fn list(self, default: Vec<T>) -> List<T> {
        List { leaf: self, default, may_be_empty: true }
    }

    fn read(&self, node: &Node, path: &str, problems: &mut Problems) -> Option<T> {
        if !self.is_confidential(node) {
            problems.reveal(node.span);
        }
        let scalar = scalar(node, path, problems)?;
        let value = match (self.parse)(&scalar.text) {
            Ok(value) => value,
            Err(wrong) => {
                let subject = self.quote(node, scalar);
                problems.add(node.span, &format!("{path}: {subject} {}", wrong.what), &wrong.help);
                return None;
            }
        };
        match &self.bounds {
            Some(b) if (b.outside)(&value, &b.least, &b.most) => {
                let (least, most) = (plain(&(self.show)(&b.least)), plain(&(self.show)(&b.most)));
                let subject = self.quote(node, scalar);
                let range = if least == most {
                    format!("write {least}")
                } else {
                    format!("write a value from {least} to {most}")
                };
                problems.add(node.span, &format!("{path}: {subject} is out of range"), &range);
                None
            }
            _ => Some(value),
        }
    }

    /// A secret, or an address that somebody put a password into.
    fn is_confidential(&self, node: &Node) -> bool {
        self.secret || matches!(&node.data, Data::Scalar(s) if s.text.contains('@'))
    }

    /// How a message names the value: never what came from the environment, nor a secret.
    fn quote(&self, node: &Node, scalar: &Scalar) -> String {
        match scalar {
            _ if self.is_confidential(node) => "the value".into(),
            s if s.from_env => "the value (with its variables filled in)".into(),
            s => format!("`{}`", s.text.chars().take(60).collect::<String>()),
        }
    }

    fn schema(&self) -> Json {
        let mut shape = self.shape.clone();
        if let Some(b) = &self.bounds {
            let (least, most) = ((self.show)(&b.least), (self.show)(&b.most));
            if shape["type"] == "integer" {
                (shape["minimum"], shape["maximum"]) = (least, most);
            } else {
                shape["description"] = format!("from {} to {}", plain(&least), plain(&most)).into();
            }
        }
        if shape["type"] == "string" && shape.get("enum").is_none() && shape.get("pattern").is_none() {
            return shape;
        }
        json!({ "anyOf": [shape, { "type": "string", "pattern": "\\$\\{" }] })
    }
}

/// The scalar of a node, or a report that it is none.
fn scalar<'n>(node: &'n Node, path: &str, problems: &mut Problems) -> Option<&'n Scalar> {
    let found = match &node.data {
        Data::Scalar(scalar) if scalar.broken => return None,
        Data::Scalar(_) if node.is_null() => "nothing is written here",
        Data::Scalar(scalar) => return Some(scalar),
        Data::Seq(_) => "a single value belongs here, not a list",
        Data::Map(_) => "a single value belongs here, not a mapping",
    };
    problems.add(node.span, &format!("{path}: {found}"), "write one value, or leave the key out");
    None
}

/// JSON text without the quotes of a string.
pub(super) fn plain(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

/// A scalar with a default.
pub(super) struct Or<T> {
    leaf: Leaf<T>,
    default: T,
    words: Option<String>,
}

impl<T: Clone> Kind for Or<T> {
    type Out = T;

    fn read(&self, node: &Node, path: &str, problems: &mut Problems) -> Option<T> {
        self.leaf.read(node, path, problems)
    }

    fn absent(&self) -> T {
        self.default.clone()
    }

    fn schema(&self) -> Json {
        let mut schema = self.leaf.schema();
        match &self.words {
            Some(words) => schema["$comment"] = words.as_str().into(),
            None => schema["default"] = (self.leaf.show)(&self.default),
        }
        schema
    }
}

/// A scalar that may be left out.
pub(super) struct Optional<T>(Leaf<T>);

impl<T> Kind for Optional<T> {
    type Out = Option<T>;

    fn read(&self, node: &Node, path: &str, problems: &mut Problems) -> Option<Option<T>> {
        if node.is_null() {
            problems.reveal(node.span);
            return Some(None);
        }
        self.0.read(node, path, problems).map(Some)
    }

    fn absent(&self) -> Option<T> {
        None
    }

    fn schema(&self) -> Json {
        json!({ "anyOf": [self.0.schema(), { "type": "null" }] })
    }
}

/// A list of scalars.
pub(super) struct List<T> {
    leaf: Leaf<T>,
    default: Vec<T>,
    may_be_empty: bool,
}

impl<T> List<T> {
    /// At least one is needed.
    pub(super) fn not_empty(mut self) -> Self {
        self.may_be_empty = false;
        self
    }
}

impl<T: Clone> Kind for List<T> {
    type Out = Vec<T>;

    fn read(&self, node: &Node, path: &str, problems: &mut Problems) -> Option<Vec<T>> {
        if node.is_broken() {
            return None;
        }
        let Data::Seq(items) = &node.data else {
            problems.reveal(node.span);
            problems.add(node.span, &format!("{path}: a list belongs here"), "write `[one, two]`");
            return None;
        };
        if items.is_empty() && !self.may_be_empty {
            problems.add(node.span, &format!("{path}: the list is empty"), "name at least one");
            return None;
        }
        // Read all of them before giving up, so that all mistakes show.
        let read: Vec<_> = items.iter().map(|item| self.leaf.read(item, path, problems)).collect();
        read.into_iter().collect()
    }

    fn absent(&self) -> Vec<T> {
        self.default.clone()
    }

    fn schema(&self) -> Json {
        let default: Vec<Json> = self.default.iter().map(self.leaf.show).collect();
        let least = usize::from(!self.may_be_empty);
        json!({ "type": "array", "items": self.leaf.schema(), "minItems": least, "default": default })
    }
}

/// Names with secret values, handed on as they are: the properties of a client library.
pub(super) struct Properties;

impl Kind for Properties {
    type Out = BTreeMap<String, Secret>;

    fn read(&self, node: &Node, path: &str, problems: &mut Problems) -> Option<Self::Out> {
        if node.is_null() || node.is_broken() {
            return Some(BTreeMap::new());
        }
        if !matches!(node.data, Data::Map(_)) {
            problems.add(node.span, &format!("{path}: a mapping belongs here"), "write `name: value` lines");
            return None;
        }
        let read = node.entries().iter().map(|(key, value)| {
            let path = format!("{path}.{}", key.text);
            Some((key.text.clone(), secret().read(value, &path, problems)?))
        });
        read.collect::<Vec<_>>().into_iter().collect()
    }

    fn absent(&self) -> Self::Out {
        BTreeMap::new()
    }

    fn schema(&self) -> Json {
        let value = json!({ "type": ["string", "number", "boolean"] });
        json!({ "type": "object", "additionalProperties": value, "default": {} })
    }
}

/// A set of names for values.
pub(super) trait Choice: Copy + PartialEq + 'static {
    const ALL: &'static [(&'static str, Self)];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }
}

pub(super) fn choice<E: Choice>() -> Leaf<E> {
    let names: Vec<&str> = E::ALL.iter().map(|(name, _)| *name).collect();
    let shape = json!({ "type": "string", "enum": names });
    Leaf::new(parse_choice, |one| one.name().into(), shape)
}

fn parse_choice<E: Choice>(text: &str) -> Result<E, Wrong> {
    if let Some((_, one)) = E::ALL.iter().find(|(name, _)| *name == text) {
        return Ok(*one);
    }
    let names: Vec<String> = E::ALL.iter().map(|(name, _)| format!("`{name}`")).collect();
    wrong("is not one of the choices", format!("write {}", names.join(" or ")))
}

pub(super) fn flag() -> Leaf<bool> {
    let parse = |text: &str| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => wrong("is neither true nor false", "write `true` or `false`"),
    };
    Leaf::new(parse, |flag| (*flag).into(), json!({ "type": "boolean" }))
}

pub(super) fn count<T: FromStr + Copy + Into<Json>>() -> Leaf<T> {
    let parse = |text: &str| match text.parse() {
        Ok(number) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(number),
        _ => wrong("is not a whole number in range", "write a number in digits, without a sign"),
    };
    Leaf::new(parse, |number| (*number).into(), json!({ "type": "integer" }))
}

pub(super) fn size() -> Leaf<u64> {
    let shape = json!({ "type": ["integer", "string"], "pattern": "^[0-9]+([KMG]iB)?$" });
    Leaf::new(parse_size, |bytes| show_size(bytes).into(), shape)
}

pub(super) fn time() -> Leaf<Duration> {
    let shape = json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" });
    Leaf::new(parse_time, |time| show_time(time).into(), shape)
}

/// Text with a rule of its own.
pub(super) fn text_of<T: Display>(parse: fn(&str) -> Result<T, Wrong>) -> Leaf<T> {
    Leaf::new(parse, |value| value.to_string().into(), json!({ "type": "string" }))
}

pub(super) fn path() -> Leaf<PathBuf> {
    let parse = |text: &str| match text {
        "" => wrong("is empty", "write a path"),
        text => Ok(PathBuf::from(text)),
    };
    Leaf::new(parse, |path| path.display().to_string().into(), json!({ "type": "string" }))
}

pub(super) fn address() -> Leaf<SocketAddr> {
    text_of(|text| {
        let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        match numeric.as_deref().unwrap_or(text).parse() {
            Ok(address) => Ok(address),
            Err(_) => wrong("is not an address", "write an IP address and a port: `127.0.0.1:8080`"),
        }
    })
}

pub(super) fn secret() -> Leaf<Secret> {
    let parse = |text: &str| Ok(Secret::new(text));
    let mut leaf = Leaf::new(parse, |_| Json::Null, json!({ "type": "string" }));
    leaf.secret = true;
    leaf
}

/// Where a mapping or list of structure was expected.
pub(super) fn not_a_mapping(path: &str, span: Span, problems: &mut Problems) {
    problems.add(
        span,
        &format!("{path}: a mapping belongs here"),
        "write the keys below it, indented by two more spaces",
    );
}
