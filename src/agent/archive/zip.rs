//! zip: found by its table at the end; stored and deflated entries.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

use super::{Entry, Kind, Visit};
use crate::host::clock;

/// A table of contents is never longer than this.
const MOST_TABLE: u64 = 256 << 20;
const END: &[u8; 4] = b"PK\x05\x06";
const END64: &[u8; 4] = b"PK\x06\x06";

pub(crate) struct Zip(File);

struct Listed {
    entry: Entry,
    crc: u32,
    method: u16,
    packed: u64,
    offset: u64,
    encrypted: bool,
}

fn short(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(data.get(at..at + 2)?.try_into().ok()?))
}

fn long(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?))
}

fn quad(data: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(data.get(at..at + 8)?.try_into().ok()?))
}

/// The fields of the extra area that say what does not fit elsewhere.
fn extra(data: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = data;
    loop {
        let id = short(rest, 0)?;
        let size = usize::from(short(rest, 2)?);
        let body = rest.get(4..4 + size)?;
        if id == wanted {
            return Some(body);
        }
        rest = &rest[4 + size..];
    }
}

impl Zip {
    pub(crate) fn new(file: File) -> Self {
        Self(file)
    }

    /// Where the table is, and how many entries it has.
    fn table(&mut self) -> Option<(u64, u64, u64)> {
        let length = self.0.seek(SeekFrom::End(0)).ok()?;
        // The last record may have a comment of 64 KiB behind it.
        let start = length.saturating_sub((1 << 16) + 22 + 20);
        self.0.seek(SeekFrom::Start(start)).ok()?;
        let mut tail = Vec::new();
        (&mut self.0).take(1 << 17).read_to_end(&mut tail).ok()?;
        let at = tail.windows(4).rposition(|window| window == END)?;
        let record = &tail[at..];
        let (mut count, mut size, mut offset) = (
            u64::from(short(record, 10)?),
            u64::from(long(record, 12)?),
            u64::from(long(record, 16)?),
        );
        if offset == u64::from(u32::MAX) || count == u64::from(u16::MAX) {
            let locator = at.checked_sub(20)?;
            let place = quad(&tail[locator..], 8)?;
            self.0.seek(SeekFrom::Start(place)).ok()?;
            let mut record = [0u8; 56];
            self.0.read_exact(&mut record).ok()?;
            (&record[..4] == END64).then_some(())?;
            count = quad(&record, 32)?;
            size = quad(&record, 40)?;
            offset = quad(&record, 48)?;
        }
        (size <= MOST_TABLE && offset.checked_add(size)? <= length).then_some((offset, size, count))
    }

    fn list(&mut self) -> Option<Vec<Listed>> {
        let (offset, size, count) = self.table()?;
        self.0.seek(SeekFrom::Start(offset)).ok()?;
        let mut table = Vec::new();
        (&mut self.0).take(size).read_to_end(&mut table).ok()?;
        let mut rest = &table[..];
        let mut all = Vec::new();
        for _ in 0..count {
            rest.starts_with(b"PK\x01\x02").then_some(())?;
            let made_by_unix = matches!(short(rest, 4)? >> 8, 3 | 19);
            let lengths = [28, 30, 32].map(|at| short(rest, at).map(usize::from));
            let [Some(name), Some(more), Some(comment)] = lengths else {
                return None;
            };
            let fields = rest.get(46 + name..46 + name + more)?;
            let mut numbers = [
                u64::from(long(rest, 24)?),
                u64::from(long(rest, 20)?),
                u64::from(long(rest, 42)?),
            ];
            if let Some(large) = extra(fields, 1) {
                let mut at = 0;
                for number in &mut numbers {
                    if *number == u64::from(u32::MAX) {
                        *number = quad(large, at)?;
                        at += 8;
                    }
                }
            }
            let name_text = String::from_utf8_lossy(rest.get(46..46 + name)?).into_owned();
            let bits = long(rest, 38)? >> 16;
            let is_link = made_by_unix && bits & 0o170_000 == 0o120_000;
            let kind = if name_text.ends_with('/') {
                Kind::Directory
            } else if is_link {
                Kind::Link(String::new())
            } else {
                Kind::File
            };
            let stamp = extra(fields, 0x5455)
                .filter(|field| field.first().is_some_and(|flags| flags & 1 != 0))
                .and_then(|field| Some(i64::from(long(field, 1)? as i32)));
            let (time, date) = (short(rest, 12)?, short(rest, 14)?);
            all.push(Listed {
                entry: Entry {
                    name: name_text,
                    kind,
                    size: numbers[0],
                    mode: (made_by_unix && bits & 0o7777 != 0).then_some(bits & 0o7777),
                    modified: stamp.or_else(|| dos_time(date, time)),
                    owner: None,
                },
                crc: long(rest, 16)?,
                method: short(rest, 10)?,
                packed: numbers[1],
                offset: numbers[2],
                encrypted: short(rest, 8)? & 1 != 0,
            });
            rest = rest.get(46 + name + more + comment..)?;
        }
        Some(all)
    }

    /// Goes through all entries.
    pub(crate) fn visit(mut self, visit: Visit<'_>) -> Result<(), String> {
        let list = self.list().ok_or("it is no zip archive")?;
        for mut listed in list {
            if listed.encrypted {
                return Err(format!("{} in it is encrypted", listed.entry.name));
            }
            let damaged = || format!("{} in it is damaged", listed.entry.name);
            let mut head = [0u8; 30];
            self.0
                .seek(SeekFrom::Start(listed.offset))
                .map_err(|_| damaged())?;
            self.0.read_exact(&mut head).map_err(|_| damaged())?;
            let skip = short(&head, 26).zip(short(&head, 28));
            let Some((name, more)) = skip.filter(|_| head.starts_with(b"PK\x03\x04")) else {
                return Err(damaged());
            };
            self.0
                .seek(SeekFrom::Current(i64::from(name) + i64::from(more)))
                .map_err(|_| damaged())?;
            let packed = BufReader::new((&mut self.0).take(listed.packed));
            let plain: Box<dyn Read + '_> = match listed.method {
                0 => Box::new(packed),
                8 => Box::new(DeflateDecoder::new(packed)),
                other => {
                    return Err(format!(
                        "{} in it is packed in a way (number {other}) that is not supported",
                        listed.entry.name
                    ));
                }
            };
            let mut checked = Checked {
                inner: plain.take(listed.entry.size),
                crc: flate2::Crc::new(),
            };
            if listed.entry.kind == Kind::Link(String::new()) {
                let mut target = String::new();
                let read = (&mut checked).take(4096).read_to_string(&mut target);
                read.map_err(|error| error.to_string())?;
                listed.entry.kind = Kind::Link(target);
                listed.entry.size = 0;
                visit(&listed.entry, &mut std::io::empty())?;
                continue;
            }
            visit(&listed.entry, &mut checked)?;
            std::io::copy(&mut checked, &mut std::io::sink())
                .map_err(|error| format!("{} in it is damaged: {error}", listed.entry.name))?;
            if checked.crc.sum() != listed.crc {
                return Err(format!("{} in it is damaged", listed.entry.name));
            }
        }
        Ok(())
    }
}

struct Checked<R> {
    inner: std::io::Take<R>,
    crc: flate2::Crc,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.crc.update(&buffer[..count]);
        Ok(count)
    }
}

/// Local time in steps of two seconds.
fn dos_time(date: u16, time: u16) -> Option<i64> {
    let text = format!(
        "{:04}{:02}{:02}{:02}{:02}.{:02}",
        1980 + (date >> 9),
        (date >> 5) & 15,
        date & 31,
        time >> 11,
        (time >> 5) & 63,
        (time & 31) * 2
    );
    let moment = clock::parse(&text, "%Y%m%d%H%M.%S")?;
    let since = moment.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}
