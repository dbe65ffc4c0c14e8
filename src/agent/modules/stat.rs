//! `stat`: what is known about a path.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use md5::Md5;
use ocplay_protocol::Diff;
use rustix::fs::Access;
use serde_json::{Map, Value, json};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::{Module, Verdict};
use crate::host::attributes::flags_of;
use crate::host::{Explain, Failure, Look, Return, Touch, digest, mode};

ocplay_protocol::choices! {
    /// Hash over a file's content.
    pub(super) enum Algorithm {
        Md5 = "md5",
        Sha1 = "sha1",
        Sha224 = "sha224",
        Sha256 = "sha256",
        Sha384 = "sha384",
        Sha512 = "sha512",
    }
}

ocplay_protocol::arguments! {
    /// Reports what is at a path.
    pub(super) struct Args {
        /// The path to look at.
        path: PathBuf ["dest", "name"],
        /// Look behind symbolic links.
        follow: bool = false,
        /// Hash the content of a regular file.
        get_checksum: bool = true,
        /// Which hash.
        checksum_algorithm: Algorithm ["checksum", "checksum_algo"] = Algorithm::Sha1,
        /// Ask the host's `file` program for the MIME type.
        get_mime: bool ["mime", "mime_type", "mime-type"] = true,
        /// Read the flags of the file system.
        get_attributes: bool ["attr", "attributes"] = true,
        /// Accepted for old playbooks; use checksum_algorithm.
        get_md5: bool = false,
    }
}

pub(super) struct Stat;

impl Module for Stat {
    const NAME: &'static str = "stat";
    type Args = Args;
    type Plan = std::convert::Infallible;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let found = if args.follow {
            look.stat(&args.path)?
        } else {
            look.lstat(&args.path)?
        };
        let stat = match found {
            None => json!({ "exists": false }),
            Some(metadata) => Value::Object(values(args, look, &metadata)?),
        };
        Ok(Verdict::Same(Return::new().with("stat", stat)))
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        match *plan {}
    }

    fn apply(plan: Self::Plan, _: &mut Touch) -> Result<Return, Failure> {
        match plan {}
    }
}

/// What stat and find tell about a path.
pub(super) fn common(look: &Look, path: &Path, metadata: &Metadata) -> Map<String, Value> {
    let bits = metadata.permissions().mode() & 0o7777;
    let kind = metadata.file_type();
    let time = |seconds: i64, nanos: i64| seconds as f64 + nanos as f64 / 1e9;
    let mut stat = Map::new();
    let mut put = |name: &str, value: Value| {
        stat.insert(name.to_owned(), value);
    };
    put("path", json!(path));
    put("mode", json!(mode::show(bits)));
    put("isdir", json!(kind.is_dir()));
    put("ischr", json!(kind.is_char_device()));
    put("isblk", json!(kind.is_block_device()));
    put("isreg", json!(kind.is_file()));
    put("isfifo", json!(kind.is_fifo()));
    put("islnk", json!(kind.is_symlink()));
    put("issock", json!(kind.is_socket()));
    put("uid", json!(metadata.uid()));
    put("gid", json!(metadata.gid()));
    put("size", json!(metadata.size()));
    put("inode", json!(metadata.ino()));
    put("dev", json!(metadata.dev()));
    put("nlink", json!(metadata.nlink()));
    put(
        "atime",
        json!(time(metadata.atime(), metadata.atime_nsec())),
    );
    put(
        "mtime",
        json!(time(metadata.mtime(), metadata.mtime_nsec())),
    );
    put(
        "ctime",
        json!(time(metadata.ctime(), metadata.ctime_nsec())),
    );
    for (name, bit) in [
        ("wusr", 0o200),
        ("rusr", 0o400),
        ("xusr", 0o100),
        ("wgrp", 0o020),
        ("rgrp", 0o040),
        ("xgrp", 0o010),
        ("woth", 0o002),
        ("roth", 0o004),
        ("xoth", 0o001),
        ("isuid", 0o4000),
        ("isgid", 0o2000),
    ] {
        put(name, json!(bits & bit != 0));
    }
    if let Some(user) = look.user_of(metadata.uid()) {
        put("pw_name", json!(user.name));
    }
    if let Some(group) = look.group_of(metadata.gid()) {
        put("gr_name", json!(group.name));
    }
    stat
}

fn values(args: &Args, look: &Look, metadata: &Metadata) -> Result<Map<String, Value>, Failure> {
    let kind = metadata.file_type();
    let allowed = |access| rustix::fs::access(&args.path, access).is_ok();
    let mut stat = Map::new();
    stat.insert("exists".to_owned(), json!(true));
    stat.extend(common(look, &args.path, metadata));
    let mut put = |name: &str, value: Value| {
        stat.insert(name.to_owned(), value);
    };
    put("blocks", json!(metadata.blocks()));
    put("block_size", json!(metadata.blksize()));
    put("device_type", json!(metadata.rdev()));
    put("readable", json!(allowed(Access::READ_OK)));
    put("writeable", json!(allowed(Access::WRITE_OK)));
    put("executable", json!(allowed(Access::EXEC_OK)));
    if kind.is_symlink() {
        let target = std::fs::read_link(&args.path)
            .explain(format_args!("read the link {}", args.path.display()))?;
        let source = std::fs::canonicalize(&args.path)
            .unwrap_or_else(|_| crate::host::parent(&args.path).join(&target));
        put("lnk_target", json!(target.to_string_lossy()));
        put("lnk_source", json!(source.to_string_lossy()));
    }
    if args.get_checksum && kind.is_file() && allowed(Access::READ_OK) {
        put(
            "checksum",
            json!(checksum(&args.path, args.checksum_algorithm)?),
        );
    }
    if args.get_mime {
        if let Some((mime, charset)) = mime(look, &args.path) {
            put("mimetype", json!(mime));
            put("charset", json!(charset));
        } else {
            put("mimetype", json!("unknown"));
            put("charset", json!("unknown"));
        }
    }
    if args.get_attributes {
        let letters = flags_of(&args.path, metadata);
        let names: Vec<&str> = letters.chars().filter_map(flag_name).collect();
        put("version", Value::Null);
        put("attr_flags", json!(letters));
        put("attributes", json!(names));
    }
    Ok(stat)
}

/// Hash of a file by any of the known algorithms.
pub(super) fn checksum(path: &Path, algorithm: Algorithm) -> Result<String, Failure> {
    let mut file = std::fs::File::open(path).explain(format_args!("read {}", path.display()))?;
    match algorithm {
        Algorithm::Md5 => digest::<Md5>(&mut file),
        Algorithm::Sha1 => digest::<Sha1>(&mut file),
        Algorithm::Sha224 => digest::<Sha224>(&mut file),
        Algorithm::Sha256 => digest::<Sha256>(&mut file),
        Algorithm::Sha384 => digest::<Sha384>(&mut file),
        Algorithm::Sha512 => digest::<Sha512>(&mut file),
    }
}

fn mime(look: &Look, path: &Path) -> Option<(String, String)> {
    look.which("file")?;
    let path = path.to_str()?;
    let text = look.try_query(&["file", "--mime-type", "--mime-encoding", "-b", path])?;
    let (mime, charset) = text.trim().split_once(';')?;
    let charset = charset.trim().strip_prefix("charset=")?;
    Some((mime.trim().to_owned(), charset.to_owned()))
}

fn flag_name(letter: char) -> Option<&'static str> {
    Some(match letter {
        's' => "secure-deletion",
        'u' => "undelete",
        'S' => "synchronous",
        'D' => "dirsync",
        'i' => "immutable",
        'a' => "append-only",
        'd' => "no-dump",
        'A' => "noatime",
        'c' => "compress",
        'C' => "nocow",
        'j' => "journal-data",
        'T' => "blocksize",
        't' => "no-tailmerging",
        'e' => "extents",
        _ => return None,
    })
}
