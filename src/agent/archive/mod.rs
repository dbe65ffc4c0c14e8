//! Reading archives: what is in them, entry by entry, as a stream.

mod tar;
mod zip;

use std::io::Read;
use std::path::{Component, Path, PathBuf};

pub(crate) use tar::Tar;
pub(crate) use zip::Zip;

/// One thing in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As it stands in the archive.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    /// Permission bits, if the archive says them.
    pub(crate) mode: Option<u32>,
    /// Seconds since 1970, if the archive says them.
    pub(crate) modified: Option<i64>,
    pub(crate) owner: Option<Owner>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) user: String,
    pub(crate) group: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Link(String),
    /// The same file as an earlier entry.
    HardLink(String),
    /// A device, a pipe, or another thing that is no content.
    Other,
}

/// Goes through all entries; each comes with its content.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&Entry, &mut dyn Read) -> Result<(), String>;

/// The path below a root that a name stands for; `None` for one that leads
/// out of it, or to the root itself.
pub(crate) fn below(name: &str, strip: usize) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    let path: PathBuf = path.components().skip(strip).collect();
    (!path.as_os_str().is_empty()).then_some(path)
}

/// Reads up to the end or until the buffer is full.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out() {
        assert_eq!(below("a/./b", 0), Some(PathBuf::from("a/b")));
        assert_eq!(below("/etc/passwd", 0), Some(PathBuf::from("etc/passwd")));
        assert_eq!(below("a/../../b", 0), None);
        assert_eq!(below("./", 0), None);
        assert_eq!(below("a/b/c", 1), Some(PathBuf::from("b/c")));
        assert_eq!(below("a", 1), None);
    }
}
