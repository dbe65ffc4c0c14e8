//! Files of the controller made ready to travel with a request.

use std::io::{Read, Seek};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use ocplay_language::loader::Loader;
use ocplay_protocol::{Blob, BlobKind};
use sha1::{Digest, Sha1};

use crate::connection::BlobSource;

/// Bodies up to this size go along with the request; larger ones only when
/// the host asks for them.
const INLINE_LIMIT: u64 = 32 * 1024;
/// What an encrypted file starts with.
const VAULT_MARK: &[u8] = b"$ANSIBLE_VAULT;";

/// A transfer: what the request lists, and where the bytes are.
#[derive(Debug, Default)]
pub(crate) struct Cargo {
    pub(crate) blobs: Vec<Blob>,
    pub(crate) sources: Vec<BlobSource>,
}

impl Cargo {
    /// Bytes that are already in memory.
    pub(crate) fn bytes(content: Vec<u8>, mode: u32) -> Self {
        let mut cargo = Self::default();
        let small = content.len() as u64 <= INLINE_LIMIT;
        cargo.blobs.push(Blob {
            name: String::new(),
            kind: BlobKind::File,
            mode,
            size: content.len() as u64,
            sha1: hex(&Sha1::digest(&content)),
            inline: small.then(|| content.clone()),
        });
        cargo.sources.push(if small {
            BlobSource::Inline
        } else {
            BlobSource::Bytes(Arc::from(content))
        });
        cargo
    }

    /// One file. With a loader, an encrypted file travels decrypted.
    pub(crate) fn file(path: &Path, unlock: Option<&dyn Loader>) -> Result<Self, String> {
        let mut cargo = Self::default();
        cargo.add_file(path, String::new(), unlock)?;
        Ok(cargo)
    }

    /// A folder with everything in it; names are relative to it.
    pub(crate) fn folder(
        path: &Path,
        follow: bool,
        unlock: Option<&dyn Loader>,
    ) -> Result<Self, String> {
        let mut cargo = Self::default();
        let meta =
            std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mode = meta.permissions().mode() & 0o7777;
        // The folder itself comes first: an empty one is something, too.
        cargo.add_other(String::new(), BlobKind::Directory, mode);
        cargo.add_folder(
            path,
            "",
            follow,
            unlock,
            &mut vec![(meta.dev(), meta.ino())],
        )?;
        Ok(cargo)
    }

    /// The files right in a folder, whole: they are put together on the host.
    pub(crate) fn fragments(path: &Path, unlock: Option<&dyn Loader>) -> Result<Self, String> {
        let mut cargo = Self::default();
        cargo.add_other(String::new(), BlobKind::Directory, 0o755);
        let problem = |error: std::io::Error| format!("{}: {error}", path.display());
        for entry in std::fs::read_dir(path).map_err(problem)? {
            let entry = entry.map_err(problem)?;
            if entry.path().is_file() {
                let name = entry.file_name().to_string_lossy().into_owned();
                cargo.add_file(&entry.path(), name, unlock)?;
            }
        }
        for (blob, source) in cargo.blobs.iter_mut().zip(&mut cargo.sources) {
            let content = match source {
                BlobSource::Inline => continue,
                BlobSource::Bytes(bytes) => bytes.to_vec(),
                BlobSource::File(path) => {
                    std::fs::read(&*path).map_err(|error| format!("{}: {error}", path.display()))?
                }
            };
            blob.inline = Some(content);
            *source = BlobSource::Inline;
        }
        Ok(cargo)
    }

    fn add_file(
        &mut self,
        path: &Path,
        name: String,
        unlock: Option<&dyn Loader>,
    ) -> Result<(), String> {
        let problem = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut file = std::fs::File::open(path).map_err(problem)?;
        let meta = file.metadata().map_err(problem)?;
        let mut hash = Sha1::new();
        let mut inline = (meta.len() <= INLINE_LIMIT).then(Vec::new);
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let count = file.read(&mut chunk).map_err(problem)?;
            if count == 0 {
                break;
            }
            if let Some(loader) = unlock
                && file.stream_position().is_ok_and(|at| at == count as u64)
                && chunk.starts_with(VAULT_MARK)
            {
                return self.add_unlocked(path, name, meta.permissions().mode() & 0o7777, loader);
            }
            hash.update(&chunk[..count]);
            if let Some(inline) = &mut inline {
                inline.extend_from_slice(&chunk[..count]);
            }
        }
        self.sources.push(if inline.is_some() {
            BlobSource::Inline
        } else {
            BlobSource::File(path.to_owned())
        });
        self.blobs.push(Blob {
            name,
            kind: BlobKind::File,
            mode: meta.permissions().mode() & 0o7777,
            size: inline
                .as_ref()
                .map_or(meta.len(), |inline| inline.len() as u64),
            sha1: hex(&hash.finalize()),
            inline,
        });
        Ok(())
    }

    /// An encrypted file's content stays in memory.
    fn add_unlocked(
        &mut self,
        path: &Path,
        name: String,
        mode: u32,
        loader: &dyn Loader,
    ) -> Result<(), String> {
        let content = loader.read(path).map_err(|error| {
            if error.to_string().contains("no vault secrets found") {
                return format!(
                    "A vault password or secret must be specified to decrypt {}",
                    path.display()
                );
            }
            format!("{}: {error}", path.display())
        })?;
        let mut one = Self::bytes(content, mode);
        for blob in &mut one.blobs {
            blob.name.clone_from(&name);
        }
        self.blobs.append(&mut one.blobs);
        self.sources.append(&mut one.sources);
        Ok(())
    }

    /// `inside` are the folders that this one is in, behind all links: a link
    /// back to one of them stays a link.
    fn add_folder(
        &mut self,
        folder: &Path,
        prefix: &str,
        follow: bool,
        unlock: Option<&dyn Loader>,
        inside: &mut Vec<(u64, u64)>,
    ) -> Result<(), String> {
        let problem = |error: std::io::Error| format!("{}: {error}", folder.display());
        let mut entries = std::fs::read_dir(folder)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(problem)?;
        // Files first, then folders with what is in them.
        entries.sort_by_key(|entry| {
            let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            (folder, entry.file_name())
        });
        for entry in entries {
            let path = entry.path();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let mut meta = entry
                .metadata()
                .map_err(|error| format!("{}: {error}", path.display()))?;
            if meta.is_symlink()
                && follow
                && let Ok(behind) = std::fs::metadata(&path)
                && !inside.contains(&(behind.dev(), behind.ino()))
            {
                meta = behind;
            }
            if meta.is_symlink() {
                let target = std::fs::read_link(&path)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                self.add_other(
                    name,
                    BlobKind::Link(target.to_string_lossy().into_owned()),
                    0o777,
                );
            } else if meta.is_dir() {
                self.add_other(
                    name.clone(),
                    BlobKind::Directory,
                    meta.permissions().mode() & 0o7777,
                );
                inside.push((meta.dev(), meta.ino()));
                self.add_folder(&path, &format!("{name}/"), follow, unlock, inside)?;
                inside.pop();
            } else if meta.is_file() {
                self.add_file(&path, name, unlock)?;
            }
        }
        Ok(())
    }

    fn add_other(&mut self, name: String, kind: BlobKind, mode: u32) {
        self.blobs.push(Blob {
            name,
            kind,
            mode,
            size: 0,
            sha1: String::new(),
            inline: None,
        });
        self.sources.push(BlobSource::Inline);
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_list_everything_files_first() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("b/x"), "x").unwrap();
        std::fs::write(folder.path().join("a"), vec![7; 40_000]).unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("c")).unwrap();
        let cargo = Cargo::folder(folder.path(), false, None).unwrap();
        let names: Vec<&str> = cargo.blobs.iter().map(|blob| blob.name.as_str()).collect();
        assert_eq!(names, ["", "a", "c", "b", "b/x"]);
        assert!(cargo.blobs[1].inline.is_none());
        assert!(matches!(cargo.sources[1], BlobSource::File(_)));
        assert_eq!(
            cargo.blobs[4].sha1,
            "11f6ad8ec52a2984abaafd7c3b516503785c2072"
        );
        assert_eq!(cargo.blobs[2].kind, BlobKind::Link("a".into()));
    }

    #[test]
    fn links_that_lead_back_or_nowhere_stay_links() {
        let folder = tempfile::tempdir().unwrap();
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, folder.path().join(name)).unwrap();
        };
        std::fs::create_dir(folder.path().join("b")).unwrap();
        link("../", "b/circle");
        link("nowhere", "gone");
        link("b", "twice");
        let cargo = Cargo::folder(folder.path(), true, None).unwrap();
        let kinds: Vec<(&str, &BlobKind)> = cargo
            .blobs
            .iter()
            .map(|blob| (blob.name.as_str(), &blob.kind))
            .collect();
        let back = BlobKind::Link("../".into());
        assert_eq!(
            kinds,
            [
                ("", &BlobKind::Directory),
                ("gone", &BlobKind::Link("nowhere".into())),
                ("twice", &BlobKind::Directory),
                ("twice/circle", &back),
                ("b", &BlobKind::Directory),
                ("b/circle", &back),
            ]
        );
    }
}
