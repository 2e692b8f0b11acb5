//! YAML text as a tree of nodes that know where they stand in the file.
//!
//! The tree is the plain subset that a configuration needs: mappings with scalar keys, sequences,
//! scalars, one document. Anchors, aliases and tags are refused, so nothing can be multiplied, and
//! size, depth and count are bounded while parsing. What is wrong is reported and the walk goes on
//! where it can: only a syntax error ends it.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle};

use super::report::{Problems, Span, quoted_key};

/// The longest file read, in bytes: thousands of tenants fit.
pub(super) const MAX_FILE_BYTES: usize = 4 << 20;
/// The most nodes in a file.
const MAX_NODES: usize = 250_000;
/// The deepest nesting; a plugin's own config is the only part that may need more than five.
const MAX_DEPTH: usize = 32;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) data: Data,
}

#[derive(Clone, Debug)]
pub(super) enum Data {
    Scalar(Scalar),
    Seq(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// The text of a scalar, after YAML's escapes and our interpolation.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Written without quotes, so that `null` and `true` mean what they say.
    pub(super) plain: bool,
    /// Holds text from the environment: never quoted in a message.
    pub(super) from_env: bool,
    /// Already reported as wrong: what reads it stays silent.
    pub(super) broken: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) span: Span,
}

impl Node {
    /// Nothing was written, or `null`, or a variable that is there but empty.
    pub(super) fn is_null(&self) -> bool {
        match &self.data {
            Data::Scalar(s) if s.broken => false,
            Data::Scalar(s) if s.from_env => s.text.is_empty(),
            Data::Scalar(s) => s.plain && matches!(s.text.as_str(), "" | "~" | "null" | "Null" | "NULL"),
            Data::Seq(_) | Data::Map(_) => false,
        }
    }

    /// Whether a problem with this value has been reported.
    pub(super) fn is_broken(&self) -> bool {
        matches!(&self.data, Data::Scalar(s) if s.broken)
    }

    /// The entries of a mapping; none for anything else.
    pub(super) fn entries(&self) -> &[(Key, Node)] {
        match &self.data {
            Data::Map(entries) => entries,
            Data::Scalar(_) | Data::Seq(_) => &[],
        }
    }

    /// The value under a key of a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }

    /// The value at a path of keys such as `api.listen`.
    pub(super) fn at(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| node.get(key))
    }
}

/// What a file holds: its tree, and what is beside the tree.
pub(super) struct Document {
    /// `None` if the file is empty, or after a syntax error.
    pub(super) root: Option<Node>,
    /// Comments, which may hold an old password, and what was refused: no report shows them.
    pub(super) beside: Vec<Span>,
}

/// Reads one YAML document.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Document {
    let options = granit_parser::options! {
        strict_indentation: true,
        disallow_directives: true,
        emit_comments: true,
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        max_buffered_comment_events: usize::MAX,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder::default();
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => {
                let tag = span.tag_span().map(|tag| Span::of(&tag));
                let span = Span::of(&span);
                builder.tag_at = tag.unwrap_or(span);
                if !builder.take(event, span, problems) {
                    builder.root = None;
                    break;
                }
            }
            Err(error) => {
                problems.syntax(text, &error);
                builder.root = None;
                break;
            }
        }
    }
    Document { root: builder.root, beside: builder.beside }
}

/// A collection that is still open.
enum Frame {
    Seq { start: Span, items: Vec<Node> },
    Map { start: Span, entries: Vec<(Key, Node)>, first_at: HashMap<String, Span>, pending: Pending },
}

/// What a mapping waits for.
enum Pending {
    Key,
    Value(Key),
    /// The value of a key that was refused: read and thrown away.
    Skipped,
}

#[derive(Default)]
struct Builder {
    /// Where the tag of the current event stands, if it has one.
    tag_at: Span,
    root: Option<Node>,
    frames: Vec<Frame>,
    beside: Vec<Span>,
    nodes: usize,
    documents: usize,
}

impl Builder {
    /// Takes one event; `false` if reading on makes no sense.
    fn take(&mut self, event: Event<'_>, span: Span, problems: &mut Problems) -> bool {
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    problems.add(span, "a second YAML document starts here", "keep one document in the file");
                    return false;
                }
            }
            Event::Comment(..) => self.beside.push(span),
            Event::Anchor(..) => {
                let help = "write the value out, or put quotes around a value that begins with `&`";
                problems.add(span, "YAML anchors (`&name`) are not read here", help);
                self.beside.push(span);
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let help = "write the value out, or put quotes around a value that begins with `*`";
                problems.add(span, "YAML aliases (`*name`) are not read here", help);
                return self.node(broken(span), problems);
            }
            Event::Scalar(text, style, _, tag) => {
                self.refuse_tag(tag.is_some(), problems);
                let plain = matches!(style, ScalarStyle::Plain);
                let scalar = Scalar { text: text.into_owned(), plain, from_env: false, broken: false };
                return self.node(Node { span, data: Data::Scalar(scalar) }, problems);
            }
            Event::SequenceStart(_, _, tag) => {
                self.refuse_tag(tag.is_some(), problems);
                return self.open(Frame::Seq { start: span, items: Vec::new() }, problems);
            }
            Event::MappingStart(_, _, tag) => {
                self.refuse_tag(tag.is_some(), problems);
                let frame = Frame::Map {
                    start: span,
                    entries: Vec::new(),
                    first_at: HashMap::new(),
                    pending: Pending::Key,
                };
                return self.open(frame, problems);
            }
            Event::SequenceEnd | Event::MappingEnd => return self.close(span, problems),
            // Whatever a later parser calls something else.
            _ => {
                problems.add(span, "this kind of YAML is not read here", "write plain keys and values");
                return false;
            }
        }
        true
    }

    fn refuse_tag(&mut self, tagged: bool, problems: &mut Problems) {
        if tagged {
            let help = "leave the tag out, or put quotes around a value that begins with `!`";
            problems.add(self.tag_at, "YAML tags (`!name`) are not read here", help);
            self.beside.push(self.tag_at);
        }
    }

    fn open(&mut self, frame: Frame, problems: &mut Problems) -> bool {
        let (Frame::Seq { start, .. } | Frame::Map { start, .. }) = &frame;
        let start = *start;
        self.frames.push(frame);
        if self.frames.len() > MAX_DEPTH {
            problems.add(start, &format!("nested deeper than {MAX_DEPTH} levels"), "flatten this part");
            return false;
        }
        true
    }

    fn close(&mut self, end: Span, problems: &mut Problems) -> bool {
        let node = match self.frames.pop() {
            Some(Frame::Seq { start, items }) => Node { span: start.to(end), data: Data::Seq(items) },
            Some(Frame::Map { start, entries, .. }) => Node { span: start.to(end), data: Data::Map(entries) },
            None => return true,
        };
        self.node(node, problems)
    }

    /// Puts a finished node where it belongs.
    fn node(&mut self, node: Node, problems: &mut Problems) -> bool {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            problems.add(node.span, &format!("more than {MAX_NODES} values"), "split the installation");
            return false;
        }
        match self.frames.last_mut() {
            None => self.root = Some(node),
            Some(Frame::Seq { items, .. }) => items.push(node),
            Some(Frame::Map { entries, first_at, pending, .. }) => {
                match std::mem::replace(pending, Pending::Key) {
                    Pending::Key => {
                        let span = node.span;
                        *pending = key_of(node, first_at, problems);
                        if matches!(pending, Pending::Skipped) {
                            self.beside.push(span);
                        }
                    }
                    Pending::Value(key) => entries.push((key, node)),
                    Pending::Skipped => self.beside.push(node.span),
                }
            }
        }
        true
    }
}

/// Takes a node as a mapping's key, or says why not.
fn key_of(node: Node, first_at: &mut HashMap<String, Span>, problems: &mut Problems) -> Pending {
    let Data::Scalar(scalar) = node.data else {
        problems.add(node.span, "a list or mapping cannot be a key", "keys are plain words");
        return Pending::Skipped;
    };
    if scalar.broken {
        return Pending::Skipped;
    }
    if let Some(first) = first_at.get(&scalar.text) {
        let line = first.line;
        problems.add(
            node.span,
            &format!("{} is given twice", quoted_key(&scalar.text).unwrap_or_else(|| "this key".into())),
            &format!("the first is on line {line}: keep one of the two"),
        );
        return Pending::Skipped;
    }
    first_at.insert(scalar.text.clone(), node.span);
    Pending::Value(Key { text: scalar.text, span: node.span })
}

fn broken(span: Span) -> Node {
    let scalar = Scalar { text: String::new(), plain: true, from_env: false, broken: true };
    Node { span, data: Data::Scalar(scalar) }
}
