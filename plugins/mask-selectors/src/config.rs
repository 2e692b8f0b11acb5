//! The plugin's options; those that GoSight's SDK has are called as there.

use replay_plugin::MaskChar;
use replay_plugin::selectors::Selectors;
use serde::Deserialize;

/// Elements that pages mark themselves, as GoSight's SDK and rrweb read them.
const MASK: &str = ".gosight-mask, [data-gosight-mask], .rr-mask, [data-rr-mask]";
const BLOCK: &str = ".gosight-block, [data-gosight-block], .rr-block, [data-rr-block]";

/// The options. All have defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Elements whose text is masked.
    #[serde(rename = "maskSelectors")]
    pub mask_selectors: Vec<String>,
    /// Elements of which nothing but the box is left.
    #[serde(rename = "blockSelectors")]
    pub block_selectors: Vec<String>,
    /// Whether the marks of GoSight and rrweb count too.
    pub marks: bool,
    /// The character that masks.
    pub mask_char: MaskChar,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mask_selectors: Vec::new(),
            block_selectors: Vec::new(),
            marks: true,
            mask_char: MaskChar::default(),
        }
    }
}

impl Config {
    /// Selectors of what is masked and of what is blocked.
    pub(crate) fn selectors(&self) -> Result<(Selectors, Selectors), String> {
        let read = |option: &str, own: &[String], marks: &str| -> Result<Selectors, String> {
            let own = Selectors::parse(own).map_err(|error| format!("`{option}`: {error}"))?;
            let marks = Selectors::parse(self.marks.then_some(marks).as_slice())?;
            Ok(own.with(marks))
        };
        // Both are said at once.
        let mask = read("maskSelectors", &self.mask_selectors, MASK);
        let block = read("blockSelectors", &self.block_selectors, BLOCK);
        match (mask, block) {
            (Ok(mask), Ok(block)) if mask.is_empty() && block.is_empty() => {
                Err("no selector is given and `marks` is off: nothing would be masked".into())
            }
            (Ok(mask), Ok(block)) => Ok((mask, block)),
            (Err(mask), Err(block)) => Err(format!("{mask}; {block}")),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        }
    }
}
