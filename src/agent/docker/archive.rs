//! The table of contents of an archive that `docker save` made.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

const BLOCK: usize = 512;
/// A table of contents is never longer than this.
const MOST: u64 = 4 << 20;

/// One image of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    /// Its number, without `sha256:`.
    pub(crate) id: String,
    pub(crate) names: Vec<String>,
}

/// The images in an archive; `None` if it cannot be told.
pub(crate) fn images(path: &Path) -> Option<Vec<Saved>> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let manifest = entry(&mut file, length, "manifest.json")?;
    let manifest: Value = serde_json::from_slice(&manifest).ok()?;
    let images = manifest.as_array()?.iter().map(|image| {
        let config = image["Config"].as_str().unwrap_or_default();
        let config = config.rsplit('/').next().unwrap_or(config);
        let names = image["RepoTags"].as_array().into_iter().flatten();
        Saved {
            id: config.strip_suffix(".json").unwrap_or(config).to_owned(),
            names: names.filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    });
    Some(images.collect())
}

/// The content of one file of a tar archive.
fn entry(file: &mut (impl Read + Seek), length: u64, wanted: &str) -> Option<Vec<u8>> {
    let mut at = 0u64;
    while at + BLOCK as u64 <= length {
        let mut header = [0u8; BLOCK];
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut header).ok()?;
        if header.iter().all(|byte| *byte == 0) {
            return None;
        }
        let name = text(&header[..100]);
        let size = u64::from_str_radix(text(&header[124..136]).trim(), 8).ok()?;
        if name == wanted {
            if size > MOST {
                return None;
            }
            let mut content = Vec::new();
            file.take(size).read_to_end(&mut content).ok()?;
            return (content.len() as u64 == size).then_some(content);
        }
        at = at
            .checked_add(BLOCK as u64)?
            .checked_add(size.checked_next_multiple_of(BLOCK as u64)?)?;
    }
    None
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&field[..end.unwrap_or(field.len())]).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, content) in files {
            let mut header = [0u8; BLOCK];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
            out.extend(header);
            out.extend(content.as_bytes());
            out.resize(out.len().next_multiple_of(BLOCK), 0);
        }
        out.extend([0u8; 2 * BLOCK]);
        out
    }

    #[test]
    fn a_file_is_found_behind_others() {
        let long = "x".repeat(700);
        let tar = tar(&[("a/layer.tar", &long), ("manifest.json", "[]")]);
        let length = tar.len() as u64;
        let mut file = Cursor::new(tar);
        assert_eq!(entry(&mut file, length, "manifest.json").unwrap(), b"[]");
        assert_eq!(entry(&mut file, length, "other"), None);
    }

    #[test]
    fn broken_archives_are_no_archives() {
        let mut tar = tar(&[("a", "b"), ("manifest.json", "[]")]);
        tar[124..135].copy_from_slice(b"77777777777");
        let length = tar.len() as u64;
        assert_eq!(entry(&mut Cursor::new(&tar), length, "manifest.json"), None);
        tar[124..135].copy_from_slice(b"not a count");
        assert_eq!(entry(&mut Cursor::new(&tar), length, "manifest.json"), None);
    }
}
