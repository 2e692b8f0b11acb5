//! `plugin new`: a small project that builds and tests at once, with a recorded visit to try it on.
//!
//! A language is a module here: it says which files there are and what to do next. The SDK comes out of
//! this binary, so that nothing else is needed where it runs.

mod javascript;
mod python;
mod rust;

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::NewArgs;
use super::fields::{lines_of, open};
use crate::cli::recorded::read_sessions;
use crate::cli::{CliError, Exit, output};

/// What the SDKs are made of: paths below their directory, and texts.
mod carried {
    include!(concat!(env!("OUT_DIR"), "/carried.rs"));
}

/// A visit to a shop, as rrweb events.
const VISIT: &str = include_str!("visit.json");

/// Longest name; manifests take 64.
const MAX_NAME_BYTES: usize = 64;

/// What a new plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Lang {
    /// Rust, with the crate `replay-plugin`.
    Rust,
    /// JavaScript: slower, and larger; the operator has to allow it.
    Js,
    /// Python: likewise.
    Python,
}

/// What a language makes its files from.
struct Project<'a> {
    name: &'a str,
    /// Directory of the SDK as the project names it: `sdk`, or what `--sdk` says.
    sdk: &'a str,
    /// The fields of [`VISIT`], as `plugin fields --output json` prints them.
    visit_fields: &'a str,
}

/// A new plugin: texts by their path in it, and the commands that come next, typed in its directory.
struct Files {
    files: Vec<(PathBuf, String)>,
    next: [String; 3],
}

impl Files {
    /// Adds an SDK that the binary carries, below `dir`.
    fn carry(&mut self, dir: &str, sdk: &[(&str, &str)]) {
        self.files.extend(sdk.iter().map(|(path, text)| (Path::new(dir).join(path), (*text).to_owned())));
    }
}

impl Lang {
    /// Why a plugin in this language cannot have that name, which is a name as such.
    fn refuses(self, name: &str) -> Option<&'static str> {
        match self {
            Self::Rust => rust::refuses(name),
            Self::Js => javascript::refuses(name),
            Self::Python => python::refuses(name),
        }
    }

    fn files(self, project: &Project<'_>) -> Files {
        match self {
            Self::Rust => rust::files(project),
            Self::Js => javascript::files(project),
            Self::Python => python::files(project),
        }
    }

    /// The file of an SDK's directory by which it is known.
    fn sdk_marker(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Js => "package.json",
            Self::Python => "pyproject.toml",
        }
    }

    /// The SDK that the binary carries.
    fn sdk(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Rust => carried::RUST_SDK,
            Self::Js => carried::JAVASCRIPT_SDK,
            Self::Python => carried::PYTHON_SDK,
        }
    }
}

pub(super) fn new(args: &NewArgs) -> Result<Exit, CliError> {
    let name = name_of(&args.path)?;
    if let Some(why) = args.lang.refuses(name) {
        return Err(CliError::usage(format!("a plugin cannot be called `{name}`: {why}")));
    }
    check_free(&args.path)?;
    let sdk = match &args.sdk {
        Some(dir) => sdk_dir(dir, args.lang)?,
        None => "sdk".to_owned(),
    };
    let visit_fields = visit_fields()?;
    let mut made = args.lang.files(&Project { name, sdk: &sdk, visit_fields: &visit_fields });
    if args.sdk.is_none() {
        made.carry("sdk", args.lang.sdk());
    }
    for (path, text) in &made.files {
        write(&args.path.join(path), text)?;
    }
    say_next(args, name, &made)?;
    Ok(Exit::Done)
}

fn say_next(args: &NewArgs, name: &str, made: &Files) -> Result<(), CliError> {
    let sdk = match &args.sdk {
        Some(dir) => format!("with the SDK in {}", dir.display()),
        None => "with the SDK in its folder `sdk`".to_owned(),
    };
    output::say(&format!("{}: a plugin that masks order numbers, {sdk}; next:\n", args.path.display()))?;
    let dir = shell_word(&args.path.display().to_string());
    made.next.iter().enumerate().try_for_each(|(at, command)| {
        let cd = if at == 0 { format!("cd {dir} && ") } else { String::new() };
        output::say(&format!("  {cd}{command}"))
    })?;
    output::say(&format!("\nThen write what `{name}` is to do; its README.md says how."))
}

/// The last part of the path.
fn name_of(path: &Path) -> Result<&str, CliError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(plain)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && !name.contains("--");
    if fits {
        return Ok(name);
    }
    Err(CliError::usage(format!(
        "`{name}` is no plugin's name: lower-case letters, digits and single `-`, a letter first, at most \
         {MAX_NAME_BYTES}, such as `hide-orders`"
    )))
}

/// Nothing may be there that a new file could replace.
fn check_free(dir: &Path) -> Result<(), CliError> {
    let taken = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => true,
        Err(error) => {
            return Err(CliError::failed(format!("cannot look into {}: {error}", dir.display())));
        }
    };
    if !taken {
        return Ok(());
    }
    Err(CliError::usage(format!(
        "{} is there already, and not empty; choose another name, or remove it",
        dir.display()
    )))
}

/// An SDK's directory as a project that may be anywhere names it.
fn sdk_dir(dir: &Path, lang: Lang) -> Result<String, CliError> {
    let marker = dir.join(lang.sdk_marker());
    if !marker.is_file() {
        return Err(CliError::usage(format!(
            "there is no {}; --sdk takes the SDK's directory (`plugins/sdk`, `sdk-js` or `sdk-py` of this program's repository), \
             and without it the project gets a copy of its own",
            marker.display()
        )));
    }
    Ok(dir.canonicalize()?.display().to_string())
}

/// What a plugin sees of the visit.
fn visit_fields() -> Result<String, CliError> {
    let dir = super::TempDir::new()?;
    let mut text = String::new();
    for chunks in read_sessions(&[visit_in(dir.path())?])?.sessions.values() {
        let batch = open(chunks, replay_core::rrweb::Kinds::ALL)?;
        for line in (0..batch.len()).flat_map(|at| lines_of(&batch, at, replay_core::rrweb::Kinds::ALL)) {
            text += &serde_json::to_string(&line).map_err(|error| CliError::failed(error.to_string()))?;
            text.push('\n');
        }
    }
    Ok(text)
}

/// Writes the visit into a directory.
pub(super) fn visit_in(dir: &Path) -> Result<PathBuf, CliError> {
    let file = dir.join("visit.json");
    write(&file, VISIT)?;
    Ok(file)
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let written = match path.parent() {
        Some(dir) => std::fs::create_dir_all(dir).and_then(|()| std::fs::write(path, text)),
        None => std::fs::write(path, text),
    };
    written.map_err(|error| CliError::failed(format!("cannot write {}: {error}", path.display())))
}

/// A path as a shell takes it.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A template with its marks replaced: `{{name}}` and the like.
fn filled(template: &str, marks: &[(&str, &str)]) -> String {
    marks.iter().fold(template.to_owned(), |text, (mark, value)| text.replace(mark, value))
}

/// This program as it can be typed anywhere.
fn program() -> String {
    let typed = std::env::args().next().unwrap_or_default();
    match std::env::current_exe() {
        Ok(path) if typed.contains('/') => shell_word(&path.display().to_string()),
        Ok(_) | Err(_) => "replay-processor".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["hide-orders", "a", "x2", &"x".repeat(64)] {
            assert!(name_of(&Path::new("some/where").join(good)).is_ok(), "{good}");
        }
        for bad in ["", "..", "Hide", "2x", "-a", "a-", "a--b", "a_b", "a b", "ä", "a.b", &"x".repeat(65)] {
            let error = name_of(Path::new(bad)).unwrap_err();
            assert!(error.message.contains("such as `hide-orders`"), "{bad}");
        }
        for bad in ["match", "core", "replay-plugin", "test"] {
            assert!(name_of(Path::new(bad)).is_ok() && Lang::Rust.refuses(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        assert_eq!(shell_word("/a/b-c.d"), "/a/b-c.d");
        assert_eq!(shell_word("it's here"), r"'it'\''s here'");
    }

    #[test]
    fn the_visit_has_fields_of_many_kinds_and_marks_are_all_filled() {
        let fields = visit_fields().unwrap();
        for kind in ["text", "input", "url", "console", "attribute"] {
            assert!(fields.contains(&format!("\"kind\":\"{kind}\"")), "{kind}\n{fields}");
        }
        for lang in Lang::value_variants() {
            let made = lang.files(&Project { name: "hide-x", sdk: "sdk", visit_fields: &fields });
            for (path, text) in &made.files {
                assert!(!text.contains("{{"), "{}:\n{text}", path.display());
            }
            assert!(lang.sdk().iter().any(|(path, _)| *path == lang.sdk_marker()));
        }
    }
}
