//! Whether files have changed since they were read.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::SystemTime;

/// What changes with a file's content: two writes within one tick of the clock differ in size, or in the file itself where it was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: SystemTime,
    size: u64,
    inode: u64,
}

/// The stamp of a file; `None` if there is none.
pub(crate) fn stamp(file: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(file).ok()?;
    Some(Stamp { modified: found.modified().ok()?, size: found.len(), inode: found.ino() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_replaced_within_a_tick_has_another_stamp() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, next) = (folder.path().join("file"), folder.path().join("next"));
        std::fs::write(&file, "one").expect("writable");
        let before = stamp(&file).expect("there");
        let same_time = |path: &Path| {
            let open = std::fs::File::options().write(true).open(path).expect("there");
            open.set_modified(before.modified).expect("touched");
        };
        std::fs::write(&file, "longer").expect("writable");
        same_time(&file);
        let longer = stamp(&file).expect("there");
        assert_ne!(longer, before);
        std::fs::write(&next, "newest").expect("writable");
        same_time(&next);
        std::fs::rename(&next, &file).expect("moved");
        assert_ne!(stamp(&file), Some(longer));
        assert_eq!(stamp(&folder.path().join("none")), None);
    }
}
