//! tar: the old format, POSIX's with its extensions, and GNU's long names.

use std::collections::BTreeMap;
use std::io::Read;

use super::{Entry, Kind, Owner, Visit, fill};

const BLOCK: usize = 512;
/// Names and extensions are never longer than this.
const MOST_EXTRA: u64 = 1 << 20;

/// A tar archive, read from its beginning to its end.
pub(crate) struct Tar<R>(pub(crate) R);

fn text(field: &[u8]) -> String {
    let end = field
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// Octal digits, or GNU's binary form for large numbers.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let mut value = u64::from(field[0] & 0x3f);
        for byte in &field[1..] {
            value = value.checked_mul(256)? | u64::from(*byte);
        }
        return Some(value);
    }
    let text = text(field);
    let text = text.trim();
    if text.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(text, 8).ok()
}

/// Records of an extended header: `length key=value\n`.
fn records(data: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    let mut rest = data;
    while !rest.is_empty() {
        let blank = rest.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&rest[..blank]).ok()?.parse().ok()?;
        let record = rest.get(blank + 1..length.checked_sub(1)?)?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        all.insert(
            String::from_utf8_lossy(&record[..equals]).into_owned(),
            String::from_utf8_lossy(&record[equals + 1..]).into_owned(),
        );
        rest = rest.get(length..)?;
    }
    Some(all)
}

fn is_whole(header: &[u8; BLOCK]) -> bool {
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u64::from(*byte)
            }
        })
        .sum();
    number(&header[148..156]) == Some(sum)
}

impl<R: Read> Tar<R> {
    fn extra(&mut self, size: u64) -> Result<Vec<u8>, String> {
        if size > MOST_EXTRA {
            return Err("a name in it is too long".to_owned());
        }
        let mut data = vec![0; size as usize];
        let read = fill(&mut self.0, &mut data).map_err(|error| error.to_string())?;
        if read < data.len() {
            return Err("it ends in the middle".to_owned());
        }
        self.skip(padding(size))?;
        Ok(data)
    }

    fn skip(&mut self, count: u64) -> Result<(), String> {
        let skipped = std::io::copy(&mut (&mut self.0).take(count), &mut std::io::sink());
        match skipped {
            Ok(skipped) if skipped == count => Ok(()),
            Ok(_) => Err("it ends in the middle".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Goes through all entries.
    pub(crate) fn visit(mut self, visit: Visit<'_>) -> Result<(), String> {
        let (mut long_name, mut long_link) = (None, None);
        let mut extended = BTreeMap::new();
        let mut global = BTreeMap::new();
        let mut first = true;
        loop {
            let mut header = [0u8; BLOCK];
            let read = fill(&mut self.0, &mut header).map_err(|error| error.to_string())?;
            if read == 0 && !first {
                return Ok(());
            }
            if read < BLOCK {
                return Err("it is no tar archive".to_owned());
            }
            if header.iter().all(|byte| *byte == 0) {
                // What follows is padding; a program that writes it may still be busy.
                std::io::copy(&mut self.0, &mut std::io::sink()).ok();
                return Ok(());
            }
            if !is_whole(&header) {
                return Err("it is no tar archive".to_owned());
            }
            first = false;
            let size = number(&header[124..136]).ok_or("a size in it is no number")?;
            match header[156] {
                b'L' => {
                    long_name = Some(text(&self.extra(size)?));
                    continue;
                }
                b'K' => {
                    long_link = Some(text(&self.extra(size)?));
                    continue;
                }
                b'x' => {
                    let data = self.extra(size)?;
                    extended = records(&data).ok_or("an extended header in it is damaged")?;
                    continue;
                }
                b'g' => {
                    let data = self.extra(size)?;
                    global = records(&data).ok_or("an extended header in it is damaged")?;
                    continue;
                }
                b'S' => return Err("it has sparse files, which are not supported".to_owned()),
                _ => {}
            }
            let said = std::mem::take(&mut extended);
            if said.keys().any(|key| key.starts_with("GNU.sparse")) {
                return Err("it has sparse files, which are not supported".to_owned());
            }
            let say = |key: &str| said.get(key).or_else(|| global.get(key));
            let parsed = |key: &str| say(key).and_then(|value| value.parse::<u64>().ok());
            let size = parsed("size").unwrap_or(size);
            let name = say("path")
                .cloned()
                .or(long_name.take())
                .unwrap_or_else(|| {
                    let prefix = if &header[257..262] == b"ustar" && header[262] == 0 {
                        text(&header[345..500])
                    } else {
                        String::new()
                    };
                    let name = text(&header[..100]);
                    if prefix.is_empty() {
                        name
                    } else {
                        format!("{prefix}/{name}")
                    }
                });
            let link = say("linkpath")
                .cloned()
                .or(long_link.take())
                .unwrap_or_else(|| text(&header[157..257]));
            let kind = match header[156] {
                b'0' | 0 | b'7' if name.ends_with('/') => Kind::Directory,
                b'0' | 0 | b'7' => Kind::File,
                b'1' => Kind::HardLink(link),
                b'2' => Kind::Link(link),
                b'5' | b'D' => Kind::Directory,
                _ => Kind::Other,
            };
            let seconds = say("mtime").and_then(|text| text.split('.').next()?.parse().ok());
            let id = |key: &str, field: &[u8]| {
                let value = parsed(key).or_else(|| number(field)).unwrap_or(0);
                u32::try_from(value).unwrap_or(0)
            };
            let entry = Entry {
                mode: number(&header[100..108]).map(|bits| (bits & 0o7777) as u32),
                modified: seconds.or_else(|| number(&header[136..148])?.try_into().ok()),
                owner: Some(Owner {
                    uid: id("uid", &header[108..116]),
                    gid: id("gid", &header[116..124]),
                    user: say("uname")
                        .cloned()
                        .unwrap_or_else(|| text(&header[265..297])),
                    group: say("gname")
                        .cloned()
                        .unwrap_or_else(|| text(&header[297..329])),
                }),
                size: if kind == Kind::File { size } else { 0 },
                name,
                kind,
            };
            let mut content = (&mut self.0).take(size);
            visit(&entry, &mut content)?;
            let left = content.limit();
            self.skip(left + padding(size))?;
        }
    }
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_records() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"\x80\0\0\0\0\0\x01\0"), Some(256));
        assert_eq!(number(b"x"), None);
        let all = records(b"12 path=abc\n13 size=1234\n").unwrap();
        assert_eq!(all["path"], "abc");
        assert_eq!(all["size"], "1234");
        assert!(records(b"99 path=abc\n").is_none());
    }

    #[test]
    fn rubbish_is_no_archive() {
        let nothing: &mut dyn FnMut(&Entry, &mut dyn Read) -> Result<(), String> =
            &mut |_, _| Ok(());
        assert!(Tar(&b"hello"[..]).visit(nothing).is_err());
        assert!(Tar(&[7u8; 2048][..]).visit(nothing).is_err());
        assert!(Tar(&b""[..]).visit(nothing).is_err());
    }
}
