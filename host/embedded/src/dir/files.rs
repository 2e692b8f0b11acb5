//! Small steps on files, each durable when it returns, and what their errors mean.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use replay_ports::PortError;

/// Makes a folder and those above it, each durably named in its parent.
pub(crate) fn make_dirs(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or_else(|| Path::new(""));
    make_dirs(parent)?;
    match std::fs::create_dir(path) {
        // Somebody else was faster.
        Err(_) if path.is_dir() => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(ErrorKind::NotADirectory.into()),
        made => made?,
    }
    sync_dir(parent)
}

/// Makes what was renamed into, or removed from, a folder survive a power loss.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    // Windows has no such thing, and cannot open a folder as a file.
    if cfg!(not(unix)) {
        return Ok(());
    }
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

/// Removes a file; one that is not there is fine. Whether there was one.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the error says that there is no such file, also because what would be its folder is one.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// What an error means to the pipeline.
pub(super) fn classify(error: &io::Error, doing: &str, path: &Path) -> PortError {
    let what = format!("cannot {doing} {}: {error}", path.display());
    if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) {
        return PortError::refused(format!("{what}; give this user the right to write there"));
    }
    if matches!(error.kind(), ErrorKind::NotADirectory | ErrorKind::IsADirectory) {
        return PortError::rejected(format!("{what}; a key cannot also be a folder of other keys"));
    }
    if matches!(error.kind(), ErrorKind::InvalidFilename) {
        return PortError::rejected(what);
    }
    if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        return PortError::unavailable(format!("{what}; free space, the write is repeated"));
    }
    PortError::unavailable(what)
}

#[cfg(test)]
mod tests {
    use replay_ports::Disposition;

    use super::*;

    #[test]
    fn each_kind_of_error_has_its_disposition() {
        for (kind, disposition) in [
            (ErrorKind::StorageFull, Disposition::Retry),
            (ErrorKind::QuotaExceeded, Disposition::Retry),
            (ErrorKind::NotFound, Disposition::Retry),
            (ErrorKind::Other, Disposition::Retry),
            (ErrorKind::PermissionDenied, Disposition::Stop),
            (ErrorKind::ReadOnlyFilesystem, Disposition::Stop),
            (ErrorKind::IsADirectory, Disposition::DeadLetter),
            (ErrorKind::InvalidFilename, Disposition::DeadLetter),
        ] {
            let error = classify(&kind.into(), "write", Path::new("/cold/a.gz"));
            assert_eq!(error.disposition(), disposition, "{kind:?}");
            assert!(error.to_string().contains("cannot write /cold/a.gz"), "{error}");
        }
    }

    #[test]
    fn folders_are_made_once_and_not_over_files() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        make_dirs(&deep).unwrap();
        make_dirs(&deep).unwrap();
        std::fs::write(deep.join("file"), "x").unwrap();
        let error = make_dirs(&deep.join("file/d")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotADirectory);
    }
}
