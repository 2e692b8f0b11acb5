//! The kinds of fields, numbered as in the interface.

/// What a field is. The number is its bit in [`Kinds`] and its value in the index that plugins get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Text of the page.
    Text = 0,
    /// What was typed or chosen: input events, `value` attributes, text of text areas.
    Input = 1,
    /// Attributes that people read, and unknown ones.
    Attribute = 2,
    /// `class`, `id`, `name` and the like.
    Markup = 3,
    /// Addresses: of the page, of links and resources.
    Url = 4,
    /// CSS.
    Style = 5,
    /// Scripts and event handlers.
    Code = 6,
    /// `srcdoc`: a document in an attribute.
    Html = 7,
    /// What was logged.
    Console = 8,
    /// Requests: URLs, headers, bodies.
    Network = 9,
    /// Custom events: tag and payload.
    Custom = 10,
    /// What was drawn as text.
    Canvas = 11,
    /// Pictures: handed over as their size, and only ever blanked.
    Pixels = 12,
    /// Whatever no other kind fits, unknown events included.
    Other = 13,
}

impl Kind {
    /// Every kind, in the order of their bits.
    pub const ALL: [Self; 14] = [
        Self::Text,
        Self::Input,
        Self::Attribute,
        Self::Markup,
        Self::Url,
        Self::Style,
        Self::Code,
        Self::Html,
        Self::Console,
        Self::Network,
        Self::Custom,
        Self::Canvas,
        Self::Pixels,
        Self::Other,
    ];

    /// By its number in an index; unknown ones (of a newer host) are [`Kind::Other`].
    pub fn from_number(number: u32) -> Self {
        usize::try_from(number).ok().and_then(|at| Self::ALL.get(at)).copied().unwrap_or(Self::Other)
    }

    /// By its name in configs.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name in configs, reports and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Input => "input",
            Self::Attribute => "attribute",
            Self::Markup => "markup",
            Self::Url => "url",
            Self::Style => "style",
            Self::Code => "code",
            Self::Html => "html",
            Self::Console => "console",
            Self::Network => "network",
            Self::Custom => "custom",
            Self::Canvas => "canvas",
            Self::Pixels => "pixels",
            Self::Other => "other",
        }
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// Every kind.
    pub const ALL: Self = Self((1 << Kind::ALL.len()) - 1);

    /// From a manifest; bits that mean nothing here are left out.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// As in a manifest.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether `kind` is one of them.
    #[inline]
    pub fn contains(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    /// Those of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of this set that are not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::default(), |set, kind| Self(set.0 | 1 << kind as u8))
    }
}

impl<const N: usize> From<[Kind; N]> for Kinds {
    fn from(kinds: [Kind; N]) -> Self {
        kinds.into_iter().collect()
    }
}

impl<'de> serde::Deserialize<'de> for Kind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            serde::de::Error::custom(format!("`{name}` is no kind of field; there are {names}"))
        })
    }
}

impl<'de> serde::Deserialize<'de> for Kinds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Kind>::deserialize(deserializer)?.into_iter().collect())
    }
}
