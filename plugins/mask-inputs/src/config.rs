//! The plugin's options; those that GoSight's SDK has are called as there.

use replay_plugin::MaskChar;
use serde::Deserialize;

/// The options. All have defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Config {
    /// Mask every input; `true` by default.
    pub mask_all_inputs: bool,
    /// Types of inputs that are masked even so (`textarea` and `select` are types too).
    pub mask_input_types: Vec<String>,
    /// Inputs are masked whose name, id, `autocomplete` or `data-*` has one of these words.
    pub sensitive_names: Vec<String>,
    /// The character that masks.
    #[serde(rename = "mask_char")]
    pub mask_char: MaskChar,
}

impl Default for Config {
    fn default() -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self {
            mask_all_inputs: true,
            mask_input_types: owned(&["password", "email", "tel"]),
            sensitive_names: owned(&[
                "password",
                "passwd",
                "passphrase",
                "secret",
                "token",
                "csrf",
                "ssn",
                "credit",
                "card",
                "cvv",
                "cvc",
                "cc-",
                "iban",
                "account",
                "pin",
                "otp",
                "one-time-code",
                "birth",
                "bday",
            ]),
            mask_char: MaskChar::default(),
        }
    }
}
