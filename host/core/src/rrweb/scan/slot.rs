//! What may stand at a place of an event, and what each value there is.

use super::words;
use crate::rrweb::kind::Kind;

/// A place: how a string, an object or a number is read that stands there. An array hands its own
/// place on to what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) text: Rule,
    pub(super) inner: Inner,
    pub(super) number: Number,
}

/// What a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// A field.
    Field(Kind),
    /// A field that selectors need too.
    Select(Kind),
    /// The text of a node: what it is depends on its parent.
    NodeText,
    /// An address, or a picture in its place.
    Url,
    /// The address of the page.
    PageUrl,
    /// What was drawn, or a picture.
    Canvas,
    /// A picture.
    Pixels,
    /// An element's tag.
    Tag,
    /// A word of rrweb's own.
    Word,
    /// A plugin's name.
    Plugin,
}

impl Rule {
    /// The kind of what else stands in the place of such a string.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Field(kind) | Self::Select(kind) => kind,
            Self::NodeText => Kind::Text,
            Self::Url | Self::PageUrl => Kind::Url,
            Self::Canvas => Kind::Canvas,
            Self::Pixels => Kind::Pixels,
            Self::Tag | Self::Word | Self::Plugin => Kind::Other,
        }
    }

    /// Whether a string is of rrweb's own vocabulary, and no field. `decoded` is what it says.
    #[inline]
    pub(super) fn is_structural(self, decoded: &[u8]) -> bool {
        match self {
            Self::Tag | Self::Word => words::is_word(decoded),
            Self::Plugin => words::is_plugin_name(decoded),
            Self::Field(_)
            | Self::Select(_)
            | Self::NodeText
            | Self::Url
            | Self::PageUrl
            | Self::Canvas
            | Self::Pixels => false,
        }
    }
}

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// Nothing: a position, a time, a size.
    Known,
    /// A field if it is long.
    Payload,
    /// The id of the node at hand.
    Id,
    /// The id of the parent that the node at hand is added to.
    ParentId,
    /// The id of a node that was removed.
    RemovedId,
    /// What a mouse interaction is.
    MouseType,
    /// The event's type.
    EventType,
    /// The event's source.
    Source,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inner {
    /// Anything: its keys are fields, and all that is in it is of the kind of its place.
    Payload,
    /// An event.
    Event,
    /// The data of a full snapshot.
    Snapshot,
    /// A node of a snapshot or of what was added.
    Node,
    /// The attributes of a node.
    Attributes,
    /// Style properties that changed.
    Style,
    /// The data of a `Meta` event.
    Meta,
    /// The data of a custom event.
    Custom,
    /// The data of a plugin's event.
    Plugin,
    /// What the console plugin says.
    Console,
    /// What the network plugin says.
    Network,
    /// The data of a mutation.
    Mutation,
    /// A text that changed.
    TextChange,
    /// Attributes that changed.
    AttributeChange,
    /// A node that was removed.
    Removal,
    /// A node that was added, with its place.
    Add,
    /// Positions and sizes.
    Numbers,
    /// The data of an interaction with one node.
    Pointer,
    /// The data of an input event.
    Input,
    /// The data of a change of style rules, or one of the rules.
    Rules,
    /// The data of a change of one style declaration.
    Declaration,
    /// The data of a canvas mutation, or one of its commands.
    Canvas,
    /// The arguments of a canvas command.
    CanvasArguments,
    /// A value that rrweb has serialized: an array buffer, a picture.
    Serialized,
    /// The data of a font.
    Font,
    /// The data of a custom element's definition.
    CustomElement,
    /// The data of an asset.
    Asset,
}

impl Inner {
    /// Whether an object has, or is about, one node.
    #[inline]
    pub(super) fn role(self) -> Option<Role> {
        match self {
            Self::Node => Some(Role::Node),
            Self::Add => Some(Role::Add),
            Self::TextChange => Some(Role::TextChange),
            Self::AttributeChange => Some(Role::AttributeChange),
            Self::Pointer | Self::Input | Self::Rules | Self::Declaration | Self::Canvas => {
                Some(Role::Holder)
            }
            Self::Payload
            | Self::Event
            | Self::Snapshot
            | Self::Attributes
            | Self::Style
            | Self::Meta
            | Self::Custom
            | Self::Plugin
            | Self::Console
            | Self::Network
            | Self::Mutation
            | Self::Removal
            | Self::Numbers
            | Self::CanvasArguments
            | Self::Serialized
            | Self::Font
            | Self::CustomElement
            | Self::Asset => None,
        }
    }
}

/// What an object says of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is the node.
    Node,
    /// It says where the node in it is added.
    Add,
    /// It changes the node's text.
    TextChange,
    /// It changes the node's attributes.
    AttributeChange,
    /// Something happened to the node.
    Holder,
}

impl Slot {
    /// Where only a number, `true`, `false` or `null` is expected.
    pub(super) const NUMBER: Self = Self::number(Number::Known);

    /// Where anything may stand.
    pub(super) const fn payload(kind: Kind) -> Self {
        Self { text: Rule::Field(kind), inner: Inner::Payload, number: Number::Payload }
    }

    /// Where a string is expected.
    pub(super) const fn text(rule: Rule) -> Self {
        Self { text: rule, inner: Inner::Payload, number: Number::Payload }
    }

    /// Where a number with a meaning is expected.
    pub(super) const fn number(number: Number) -> Self {
        Self { text: Rule::Field(Kind::Other), inner: Inner::Payload, number }
    }

    /// Where an object or an array of them is expected.
    pub(super) const fn object(inner: Inner) -> Self {
        Self { text: Rule::Field(Kind::Other), inner, number: Number::Payload }
    }

    /// The place of an array's elements.
    #[inline]
    pub(super) fn element(self) -> Self {
        let inner = if self.inner == Inner::CanvasArguments { Inner::Serialized } else { self.inner };
        Self { inner, ..self }
    }
}
