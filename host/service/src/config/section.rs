//! Sections: a struct, the keys that fill it, their defaults and their documentation, written once.

use serde_json::{Map, Value as Json, json};

use super::leaf::{Kind, not_a_mapping};
use super::node::{Data, Key, Node};
use super::report::{Problems, quoted_key};

/// A mapping with a fixed set of keys. Written by the macro `section`.
pub(super) trait Section: Sized {
    /// What it is about.
    const DOC: &'static str;
    /// Its keys.
    const KEYS: &'static [&'static str];
    /// Takes the keys one by one.
    fn fill(reader: &mut Reader<'_, '_>) -> Self;
    /// Key, documentation and schema of each.
    fn fields() -> Vec<(&'static str, &'static str, Json)>;
}

/// Declares a section: `pub Name { key: Type = kind, }`. Its doc comments are the schema's too.
macro_rules! section {
    ($(#[doc = $doc:literal])* $vis:vis $name:ident {
        $( $(#[doc = $key_doc:literal])* $key:ident: $type:ty = $kind:expr, )*
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        $vis struct $name {
            $( $(#[doc = $key_doc])* $vis $key: $type, )*
        }

        impl $crate::config::section::Section for $name {
            const DOC: &'static str = concat!($($doc),*);
            const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];

            fn fill(reader: &mut $crate::config::section::Reader<'_, '_>) -> Self {
                use $crate::config::leaf::of;
                Self { $( $key: reader.take(stringify!($key), &of::<$type, _>($kind)), )* }
            }

            fn fields() -> Vec<(&'static str, &'static str, serde_json::Value)> {
                use $crate::config::leaf::{Kind, of};
                vec![ $( (stringify!($key), concat!($($key_doc),*), of::<$type, _>($kind).schema()), )* ]
            }
        }
    };
}
pub(super) use section;

/// Declares a set of names: `Variant = "name",`.
macro_rules! choices {
    ($(#[doc = $doc:literal])* $vis:vis $name:ident {
        $( $(#[doc = $one_doc:literal])* $one:ident = $text:literal, )*
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name {
            $( $(#[doc = $one_doc])* $one, )*
        }

        /// The name in the configuration.
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::config::leaf::Choice::name(*self))
            }
        }

        impl $crate::config::leaf::Choice for $name {
            const ALL: &'static [(&'static str, Self)] = &[ $( ($text, Self::$one), )* ];
        }
    };
}
pub(super) use choices;

/// Reads one section, and remembers which keys it knows.
pub(super) struct Reader<'n, 'p> {
    entries: &'n [(Key, Node)],
    path: String,
    problems: &'p mut Problems,
}

impl Reader<'_, '_> {
    /// What the file says under `key`, else the default.
    pub(super) fn take<K: Kind>(&mut self, key: &'static str, kind: &K) -> K::Out {
        let node = self.entries.iter().find(|(k, _)| k.text == key).map(|(_, node)| node);
        let path = join(&self.path, key);
        node.and_then(|node| kind.read(node, &path, self.problems)).unwrap_or_else(|| kind.absent())
    }
}

/// Reads a section. Without a node, or with a null one, every key has its default.
pub(super) fn read<S: Section>(node: Option<&Node>, path: &str, problems: &mut Problems) -> S {
    let mapping = node.filter(|node| !node.is_null() && !node.is_broken());
    if let Some(node) = mapping.filter(|node| !matches!(node.data, Data::Map(_))) {
        not_a_mapping(if path.is_empty() { "this file" } else { path }, node.span, problems);
    }
    let entries = mapping.map_or(&[][..], Node::entries);
    for (key, _) in entries.iter().filter(|(key, _)| !S::KEYS.contains(&key.text.as_str())) {
        unknown_key(key, path, S::KEYS, problems);
    }
    S::fill(&mut Reader { entries, path: path.into(), problems })
}

/// A section that may be missing, with its defaults then.
pub(super) struct Nested<S>(std::marker::PhantomData<S>);

/// A section whose presence means something: `None` if the key is not there at all.
pub(super) struct IfPresent<S>(std::marker::PhantomData<S>);

pub(super) fn nested<S: Section>() -> Nested<S> {
    Nested(std::marker::PhantomData)
}

pub(super) fn if_present<S: Section>() -> IfPresent<S> {
    IfPresent(std::marker::PhantomData)
}

impl<S: Section> Kind for Nested<S> {
    type Out = S;

    fn read(&self, node: &Node, path: &str, problems: &mut Problems) -> Option<S> {
        Some(read(Some(node), path, problems))
    }

    fn absent(&self) -> S {
        read(None, "", &mut Problems::new())
    }

    fn schema(&self) -> Json {
        schema::<S>()
    }
}

impl<S: Section> Kind for IfPresent<S> {
    type Out = Option<S>;

    fn read(&self, node: &Node, path: &str, problems: &mut Problems) -> Option<Option<S>> {
        Some(Some(read(Some(node), path, problems)))
    }

    fn absent(&self) -> Option<S> {
        None
    }

    fn schema(&self) -> Json {
        schema::<S>()
    }
}

/// The JSON Schema of a section.
pub(super) fn schema<S: Section>() -> Json {
    let mut properties = Map::new();
    for (key, doc, mut field) in S::fields() {
        field["description"] = match field["$comment"].as_str() {
            Some(comment) => format!("{} {comment}", doc.trim()).into(),
            None => doc.trim().into(),
        };
        properties.insert(key.into(), field);
    }
    json!({
        "type": ["object", "null"],
        "description": S::DOC.trim(),
        "properties": properties,
        "additionalProperties": false,
    })
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.into() } else { format!("{path}.{key}") }
}

/// Reports a key that nobody knows, with the nearest that somebody does.
pub(super) fn unknown_key(key: &Key, path: &str, known: &[&str], problems: &mut Problems) {
    if !problems.has_room() {
        return problems.add(key.span, "unknown key", "");
    }
    let place = if path.is_empty() { "this file".into() } else { format!("`{path}`") };
    let near = known.iter().map(|k| (strsim::damerau_levenshtein(k, &key.text), *k)).min();
    let elsewhere = super::key_paths().into_iter().find(|p| p.rsplit('.').next() == Some(key.text.as_str()));
    let help = match (near, elsewhere) {
        (Some((distance, name)), _) if distance <= (name.len() / 3).max(1) => {
            format!("did you mean `{name}`?")
        }
        (_, Some(other)) => format!("there is `{other}`: is that what is meant?"),
        (_, None) => format!("known here: {}", known.join(", ")),
    };
    match quoted_key(&key.text) {
        Some(name) => problems.add(key.span, &format!("unknown key {name} in {place}"), &help),
        None => problems.add(
            key.span,
            &format!("unknown key in {place}"),
            "keys are words of letters, digits and `_`: is a space missing after a colon?",
        ),
    }
}
